"""Focal loss: sigmoid cross-entropy in which well classified terms weigh less.

A pure function, then the thin module that mmdet's dense heads build. Source: Lin et al., "Focal
loss for dense object detection", ICCV 2017, doi:10.1109/ICCV.2017.324, arXiv 1708.02002.

Shape letters: N proposals, C classes.
"""

import math
from typing import Unpack

import torch
from mmdet.registry import MODELS
from torch import Tensor
from torch.nn import functional

from models.network.losses.cross_entropy import sigmoid_cross_entropy
from models.network.losses.dense_sigmoid import DenseSigmoidLoss, SharedArguments, lift, require


def balance_sides(target: Tensor, alpha: float | None) -> Tensor | float:
    """α_t: α for positive terms and 1 - α for negative ones; 1 for both if α is None."""
    return 1.0 if alpha is None else alpha * target + (1 - alpha) * (1 - target)


def focal_loss(
    logit: Tensor, target: Tensor, gamma: float | Tensor = 2.0, alpha: float | None = None
) -> Tensor:
    """Loss of every proposal and class, not reduced: -α_t·(1 - p_t)^γ·log p_t (Eq. 4 and 5).

    Args:
        logit: (N, C), any float dtype; half precision is lifted to float32 first.
        target: (N, C), 1 where the proposal is of the class, else 0.
        gamma: focusing parameter, ≥ 0; a number or (C,).
        alpha: in [0, 1], of positive terms; None for no balance.

    Returns:
        (N, C) float32 (float64 for float64 logits), non-negative.
    """
    z = lift(logit)
    y = target.to(z.dtype)
    # As an exponential: the power's gradient at p_t = 1 is infinite for γ < 1.
    modulation = torch.exp(gamma * functional.logsigmoid((1 - 2 * y) * z))
    return balance_sides(y, alpha) * modulation * sigmoid_cross_entropy(z, y)


@MODELS.register_module()
class DenseFocalLoss(DenseSigmoidLoss):
    """Focal loss as mmdet's dense heads call it.

    Args:
        gamma: focusing parameter; 0 is cross-entropy.
        alpha: of positive terms, 0.25 in the paper; None for focal loss without α-balance.
        shared: see `DenseSigmoidLoss`.

    Raises:
        ValueError: gamma is negative or α outside [0, 1].
    """

    def __init__(
        self, gamma: float = 2.0, alpha: float | None = None, **shared: Unpack[SharedArguments]
    ) -> None:
        super().__init__(**shared)
        require(0 <= gamma < math.inf, "gamma", gamma, "be a number ≥ 0")
        require(alpha is None or 0 <= alpha <= 1, "alpha", alpha, "lie in [0, 1] or be None")
        self.gamma = gamma
        self.alpha = alpha

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """`focal_loss` of every term."""
        return focal_loss(logit, target, self.gamma, self.alpha)
