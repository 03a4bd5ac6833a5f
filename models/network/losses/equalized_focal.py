"""Equalized focal loss: focal loss whose focusing parameter follows each class's gradients.

Pure functions, then the module that sums gradients during training. Source: Li et al., "Equalized
focal loss for dense long-tailed object detection", CVPR 2022, arXiv 2201.02593.

Shape letters: N proposals, C classes.
"""

import math
from typing import Unpack

import torch
from mmdet.registry import MODELS
from torch import Tensor
from torch.nn import functional

from models.network.losses.dense_sigmoid import DenseSigmoidLoss, SharedArguments, lift, require
from models.network.losses.focal import balance_sides, focal_loss
from models.network.losses.gradient_tally import GradientTally


def focus_classes(ratio: Tensor, gamma_base: float, scale: float) -> Tensor:
    """(C,) γ_j = γ_b + s·(1 - g_j), g being the ratio of gradients, clamped to [0, 1]."""
    return gamma_base + scale * (1 - ratio.clamp(0, 1))


def equalized_focal_loss(
    logit: Tensor, target: Tensor, gamma: Tensor, gamma_base: float, alpha: float | None
) -> Tensor:
    """Loss of every proposal and class, not reduced: -α_t·(γ_j / γ_b)·(1 - p_t)^γ_j·log p_t.

    Args:
        logit: (N, C), any float dtype; half precision is lifted to float32 first.
        target: (N, C), 1 where the proposal is of the class, else 0.
        gamma: (C,), of `focus_classes`.
        gamma_base: γ_b > 0.
        alpha: in [0, 1], of positive terms; None for no balance.

    Returns:
        (N, C) float32 (float64 for float64 logits), non-negative.
    """
    z = lift(logit)
    focus = gamma.to(z.dtype)
    return focus / gamma_base * focal_loss(z, target, focus, alpha)


def measure_gradient(
    logit: Tensor, target: Tensor, gamma: Tensor, gamma_base: float, alpha: float | None
) -> Tensor:
    """(N, C) absolute derivative of `equalized_focal_loss` by the logit.

    With h = 1 - p_t it is α_t·(γ_j / γ_b)·h^γ_j·(h - γ_j·p_t·log p_t).
    """
    z = lift(logit.detach())
    y = target.to(z.dtype)
    focus = gamma.to(z.dtype)
    towards = (2 * y - 1) * z
    log_p, log_h = functional.logsigmoid(towards), functional.logsigmoid(-towards)
    slope = log_h.exp() - focus * log_p.exp() * log_p
    return balance_sides(y, alpha) * focus / gamma_base * torch.exp(focus * log_h) * slope


@MODELS.register_module()
class EqualizedFocalLoss(DenseSigmoidLoss):
    """Equalized focal loss as mmdet's dense heads call it; sums gradients while training.

    The focusing parameters of a call follow from the gradients of the calls before it; then it adds
    its own: of this loss by the logits, without sample weights and the divisor of the mean. A class
    without any negative gradient yet counts as balanced, g = 1, so the loss begins as focal loss.

    Args:
        num_classes: C.
        gamma_base: γ_b, of a balanced class.
        alpha: of positive terms; None for no balance.
        scale: s, how much more a class without positive gradient is focused; 0 is focal loss.
        shared: see `DenseSigmoidLoss`.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(
        self,
        num_classes: int,
        gamma_base: float = 2.0,
        alpha: float | None = 0.25,
        scale: float = 8.0,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(**shared)
        require(num_classes >= 1, "num_classes", num_classes, "be ≥ 1")
        require(0 < gamma_base < math.inf, "gamma_base", gamma_base, "be a number > 0")
        require(alpha is None or 0 <= alpha <= 1, "alpha", alpha, "lie in [0, 1] or be None")
        require(0 <= scale < math.inf, "scale", scale, "be a number ≥ 0")
        self.num_classes = num_classes
        self.gamma_base = gamma_base
        self.alpha = alpha
        self.scale = scale
        self.tally = GradientTally(num_classes)

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """`equalized_focal_loss`; adds its gradients to the tally."""
        gamma = focus_classes(self.tally.compute_ratio(), self.gamma_base, self.scale)
        magnitude = measure_gradient(logit, target, gamma, self.gamma_base, self.alpha)
        self.tally.add(magnitude, target, counted)
        return equalized_focal_loss(logit, target, gamma, self.gamma_base, self.alpha)
