"""Grad-Libra loss: sigmoid cross-entropy in which every term is weighted by its own hardness.

A pure function, then the thin module that mmdet's dense heads build. Source: Liu et al., "Sample
hardness based gradient loss for long-tailed cervical cell detection", MICCAI 2022,
doi:10.1007/978-3-031-16434-7_11.

Shape letters: N proposals, C classes.
"""

from typing import Literal

import torch
from mmdet.models.losses.utils import weight_reduce_loss
from mmdet.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from models.losses.dense_targets import spread_targets, spread_weights

#: Below this g the direct form g - α·sin g has lost half of float32's digits at α = 1.
SERIES_BELOW_G = 0.35

Reduction = Literal["none", "mean", "sum"]


def weigh_hardness(g: Tensor, alpha: float | None) -> Tensor:
    """F(g; α) = g - α·sin g, the weight of a term whose gradient magnitude is g (Eq. 2).

    Args:
        g: any shape, float32 or float64, in [0, 1].
        alpha: in [0, 1]; None gives 1 everywhere, which makes the loss sigmoid cross-entropy.

    Returns:
        Same shape; increasing and convex in g, from 0 to 1 - α·sin 1.
    """
    if alpha is None:
        return torch.ones_like(g)
    direct = g - alpha * torch.sin(g)
    # g - sin g cancels near 0: its Taylor series does not.
    g2 = g * g
    series = g * g2 / 6 * (1 - g2 / 20 * (1 - g2 / 42 * (1 - g2 / 72)))
    return torch.where(g < SERIES_BELOW_G, (1 - alpha) * g + alpha * series, direct)


def grad_libra_loss(
    logit: Tensor,
    target: Tensor,
    alpha_pos: float | None = 0.8,
    alpha_neg: float | None = 0.8,
    detach_weight: bool = False,
) -> Tensor:
    """Loss of every proposal and class, not reduced (Eq. 3 to 5).

    Args:
        logit: (N, C), any float dtype; half precision is lifted to float32 first.
        target: (N, C), 1 where the proposal is of the class, else 0.
        alpha_pos: α⁺ in [0, 1], or None for no weighting of positive terms.
        alpha_neg: α⁻, likewise for negative terms.
        detach_weight: no gradient flows through the weights G; the paper leaves this open.

    Returns:
        (N, C) float32 (float64 for float64 logits), non-negative. Eq. 5 as printed has one minus
        sign too many.
    """
    z = logit if logit.dtype == torch.float64 else logit.float()
    y = target.to(z.dtype)
    weight_pos = weigh_hardness(torch.sigmoid(-z), alpha_pos)
    weight_neg = weigh_hardness(torch.sigmoid(z), alpha_neg)
    if detach_weight:
        weight_pos, weight_neg = weight_pos.detach(), weight_neg.detach()
    return -(
        y * weight_pos * functional.logsigmoid(z) + (1 - y) * weight_neg * functional.logsigmoid(-z)
    )


@MODELS.register_module()
class GradLibraLoss(nn.Module):
    """Grad-Libra loss as mmdet's dense heads call it.

    Args:
        use_sigmoid: must be True, and must stand in the config literally: heads read it there and
            otherwise make C + 1 channels.
        alpha_pos: α⁺ in [0, 1] or None; the paper's best on RepPoints is 0.8.
        alpha_neg: α⁻, likewise.
        detach_weight: see `grad_libra_loss`.
        reduction: "none", "mean" or "sum".
        loss_weight: factor; not stated in the paper. At α = 0.8 the loss is at most a third of
            cross-entropy.

    Raises:
        ValueError: use_sigmoid is False, an α is outside [0, 1], or the reduction is unknown.
    """

    def __init__(
        self,
        use_sigmoid: bool = True,
        alpha_pos: float | None = 0.8,
        alpha_neg: float | None = 0.8,
        detach_weight: bool = False,
        reduction: Reduction = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not use_sigmoid:
            raise ValueError("GradLibraLoss is one binary classifier per class: use_sigmoid=True")
        for name, alpha in (("alpha_pos", alpha_pos), ("alpha_neg", alpha_neg)):
            if alpha is not None and not 0 <= alpha <= 1:
                raise ValueError(f"{name} is {alpha}, but must lie in [0, 1] or be None")
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f"reduction is {reduction!r}, but must be 'none', 'mean' or 'sum'")
        self.use_sigmoid = use_sigmoid
        self.alpha_pos = alpha_pos
        self.alpha_neg = alpha_neg
        self.detach_weight = detach_weight
        self.reduction = reduction
        self.loss_weight = loss_weight

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
            Scalar, or (N, C) if not reduced.

        Raises:
            ValueError: a shape fits none of the above.
        """
        reduction = reduction_override or self.reduction
        one_hot, valid = spread_targets(target, pred.shape)
        term = grad_libra_loss(pred, one_hot, self.alpha_pos, self.alpha_neg, self.detach_weight)
        # where(), not a product: an ignored row may hold inf logits, and inf * 0 is NaN.
        term = torch.where(valid, term, torch.zeros_like(term))
        spread = spread_weights(weight, pred.shape)
        reduced: Tensor = weight_reduce_loss(term, spread, reduction, avg_factor)
        return self.loss_weight * reduced
