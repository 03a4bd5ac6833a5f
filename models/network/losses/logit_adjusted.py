"""Softmax cross-entropy with adjusted logits: class frequencies are added to the logits.

A pure function, then the module that counts classes. Source: Menon et al., "Long-tail learning via
logit adjustment", ICLR 2021, arXiv 2007.07314, Eq. 10.

Shape letters: N proposals, C classes.
"""

import math

import torch
from mmdet.models.losses.utils import weight_reduce_loss
from mmdet.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from models.network.losses.dense_sigmoid import Reduction, lift, require
from models.network.losses.processes import sum_over_processes


def logit_adjusted_loss(logit: Tensor, label: Tensor, share: Tensor, tau: float) -> Tensor:
    """-log softmax(z + τ·log π)_y of every proposal, not reduced.

    Args:
        logit: (N, C), any float dtype; half precision is lifted to float32 first.
        label: (N,) int64 in [0, C).
        share: (C,) π > 0, of each class among the proposals.
        tau: 0 is plain cross-entropy; with 1 the softmax of the logits holds for equally frequent
            classes.

    Returns:
        (N,) float32 (float64 for float64 logits), non-negative.
    """
    z = lift(logit)
    return functional.cross_entropy(z + tau * share.to(z.dtype).log(), label, reduction="none")


@MODELS.register_module()
class LogitAdjustedLoss(nn.Module):
    """Logit-adjusted softmax loss; counts classes while training, so it needs no frequencies.

    Args:
        num_classes: C.
        tau: see `logit_adjusted_loss`.
        use_sigmoid: must be True and written in the configuration: heads read it there and
            otherwise make C + 1 channels.
        reduction: "none", "mean" or "sum".
        loss_weight: factor.

    Raises:
        ValueError: an argument is outside its range.
    """

    #: (C,) proposals of each class so far, plus 1.
    seen: Tensor

    def __init__(
        self,
        num_classes: int,
        tau: float = 1.0,
        use_sigmoid: bool = True,
        reduction: Reduction = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        require(num_classes >= 1, "num_classes", num_classes, "be ≥ 1")
        require(0 <= tau < math.inf, "tau", tau, "be a number ≥ 0")
        require(bool(use_sigmoid), "use_sigmoid", use_sigmoid, "be True: it makes C channels")
        self.num_classes, self.tau = num_classes, tau
        self.use_sigmoid, self.reduction, self.loss_weight = use_sigmoid, reduction, loss_weight
        # The name is in checkpoints. Starts at 1 per class, so that no share is 0.
        self.register_buffer("seen", torch.ones(num_classes, dtype=torch.float64))

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: Reduction | None = None,
    ) -> Tensor:
        """Weighted and reduced loss; 0 without proposals.

        Args:
            pred: (N, C) logits.
            target: (N,) int64 in [0, C).
            weight: None or (N,).
            avg_factor: divisor of the mean, instead of N.
            reduction_override: instead of the module's own reduction.
        """
        if self.training:
            num_cells = torch.bincount(target, minlength=self.num_classes).double()
            self.seen += sum_over_processes(num_cells)
        if not len(pred):
            return lift(pred).sum()
        term = logit_adjusted_loss(pred, target, self.seen / self.seen.sum(), self.tau)
        reduction = reduction_override or self.reduction
        reduced: Tensor = weight_reduce_loss(term, weight, reduction, avg_factor)
        return self.loss_weight * reduced
