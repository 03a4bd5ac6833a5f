"""Grad-Libra loss: sigmoid cross-entropy in which every term is weighted by its own hardness.

A pure function, then the thin module that mmdet's dense heads build. Source: Liu et al., "Sample
hardness based gradient loss for long-tailed cervical cell detection", MICCAI 2022,
doi:10.1007/978-3-031-16434-7_11.

Shape letters: N proposals, C classes.
"""

import torch
from mmdet.registry import MODELS
from torch import Tensor
from torch.nn import functional

from models.network.losses.dense_sigmoid import DenseSigmoidLoss, Reduction, lift, require

#: Below this g the direct form g - α·sin g has lost half of float32's digits at α = 1.
SERIES_BELOW_G = 0.35


def weigh_hardness(g: Tensor, alpha: float | Tensor | None) -> Tensor:
    """F(g; α) = g - α·sin g, the weight of a term whose gradient magnitude is g (Eq. 2).

    Args:
        g: any shape, float32 or float64, in [0, 1].
        alpha: in [0, 1], a number or (C,); None gives 1 everywhere, which makes the loss sigmoid
            cross-entropy.

    Returns:
        Same shape; increasing and convex in g, from 0 to 1 - α·sin 1.
    """
    if alpha is None:
        return torch.ones_like(g)
    direct = g - alpha * torch.sin(g)
    # The Taylor series, since g - sin g cancels near 0.
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
        alpha_neg: α⁻ in [0, 1], or None for no weighting of negative terms.
        detach_weight: no gradient flows through the weights G; the paper leaves this open.

    Returns:
        (N, C) float32 (float64 for float64 logits), non-negative. Eq. 5 as printed has a minus
        sign too many.
    """
    z = lift(logit)
    y = target.to(z.dtype)
    weight_pos = weigh_hardness(torch.sigmoid(-z), alpha_pos)
    weight_neg = weigh_hardness(torch.sigmoid(z), alpha_neg)
    if detach_weight:
        weight_pos, weight_neg = weight_pos.detach(), weight_neg.detach()
    return -(
        y * weight_pos * functional.logsigmoid(z) + (1 - y) * weight_neg * functional.logsigmoid(-z)
    )


@MODELS.register_module()
class GradLibraLoss(DenseSigmoidLoss):
    """Grad-Libra loss as mmdet's dense heads call it.

    Args:
        use_sigmoid: must be True and written in the configuration: heads read it there and
            otherwise make C + 1 channels.
        alpha_pos: α⁺ in [0, 1] or None; the paper's best on RepPoints is 0.8.
        alpha_neg: α⁻ in [0, 1] or None.
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
        super().__init__(use_sigmoid, reduction, loss_weight)
        for name, alpha in (("alpha_pos", alpha_pos), ("alpha_neg", alpha_neg)):
            require(alpha is None or 0 <= alpha <= 1, name, alpha, "lie in [0, 1] or be None")
        self.alpha_pos = alpha_pos
        self.alpha_neg = alpha_neg
        self.detach_weight = detach_weight

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """`grad_libra_loss` of every term."""
        return grad_libra_loss(logit, target, self.alpha_pos, self.alpha_neg, self.detach_weight)
