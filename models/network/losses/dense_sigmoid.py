"""What all dense sigmoid losses share: one-hot targets, ignored terms, weights and reduction.

Each loss computes its own terms and keeps its own statistics over the training.

Shape letters: N proposals, C classes.
"""

from typing import Literal, TypedDict

import torch
from mmdet.models.losses.utils import weight_reduce_loss
from torch import Tensor, nn

from models.network.losses.dense_targets import spread_targets, spread_weights

Reduction = Literal["none", "mean", "sum"]


class SharedArguments(TypedDict, total=False):
    """Keyword arguments of `DenseSigmoidLoss` that every loss passes on."""

    use_sigmoid: bool
    reduction: Reduction
    loss_weight: float


def lift(logit: Tensor) -> Tensor:
    """The logits in float32; float64 stays float64."""
    return logit if logit.dtype == torch.float64 else logit.float()


def require(holds: bool, name: str, value: object, must: str) -> None:
    """Checks an argument.

    Raises:
        ValueError: `holds` is false; names argument, value and requirement.
    """
    if not holds:
        raise ValueError(f"{name} is {value!r}, but must {must}")


class DenseSigmoidLoss(nn.Module):
    """A loss of a binary classifier per class, as mmdet's dense heads call it.

    Args:
        use_sigmoid: must be True and written in the configuration: heads read it there and
            otherwise make C + 1 channels.
        reduction: "none", "mean" or "sum".
        loss_weight: factor.

    Raises:
        ValueError: use_sigmoid is False or the reduction is unknown.
    """

    #: Number of classes that the loss was made for; None: any.
    num_classes: int | None = None

    def __init__(
        self,
        use_sigmoid: bool = True,
        reduction: Reduction = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        binary = f"be True: {type(self).__name__} is one binary classifier per class"
        require(bool(use_sigmoid), "use_sigmoid", use_sigmoid, binary)
        known = reduction in ("none", "mean", "sum")
        require(known, "reduction", reduction, "be 'none', 'mean' or 'sum'")
        self.use_sigmoid = use_sigmoid
        self.reduction = reduction
        self.loss_weight = loss_weight

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """Loss of every proposal and class, neither weighted nor reduced.

        Args:
            logit: (N, C), any float dtype; 0 where the target is ignored.
            target: (N, C) of 0 and 1.
            counted: (N, C) bool, False where ignored or of weight 0: not counted in statistics.

        Returns:
            (N, C) float32 (float64 for float64 logits), of any value where not counted.
        """
        raise NotImplementedError

    def choose_divisor(
        self, counted: Tensor, avg_factor: float | Tensor | None
    ) -> float | Tensor | None:
        """Divisor of the sum of terms in a mean; None for the number of terms."""
        return avg_factor

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: Reduction | None = None,
    ) -> Tensor:
        """Weighted and reduced loss.

        Args:
            pred: (N, C) raw logits.
            target: (N,) int in [0, C] with C = background and < 0 ignored, or (N, C) one-hot.
            weight: None, (N,), (N, C) or (N * C,).
            avg_factor: divisor of the mean, instead of the number of terms.
            reduction_override: instead of the module's own reduction.

        Returns:
            Scalar, or (N, C) if not reduced; 0 if there is nothing to count.

        Raises:
            ValueError: a shape fits none of the above.
        """
        reduction = reduction_override or self.reduction
        if self.num_classes is not None and pred.shape[1] != self.num_classes:
            raise ValueError(
                f"pred has {pred.shape[1]} classes, but the loss was made for {self.num_classes}"
            )
        one_hot, valid = spread_targets(target, pred.shape)
        spread = spread_weights(weight, pred.shape)
        counted = valid if spread is None else valid & (spread > 0)
        # where(), not a product: an ignored row may hold inf logits, and inf * 0 is NaN.
        logit = torch.where(valid, pred, torch.zeros_like(pred))
        term = self.compute_terms(logit, one_hot, counted)
        term = torch.where(valid, term, torch.zeros_like(term))
        if reduction == "mean":
            avg_factor = self.choose_divisor(counted, avg_factor)
            if avg_factor is None and not term.numel():
                avg_factor = 1.0
        reduced: Tensor = weight_reduce_loss(term, spread, reduction, avg_factor)
        return self.loss_weight * reduced
