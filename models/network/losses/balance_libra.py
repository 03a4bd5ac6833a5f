"""Balance-Libra loss: Grad-Libra with class weights from the gradients accumulated so far.

Not from a paper; it joins two. Grad-Libra weighs a term by its hardness, whatever its class;
equalization loss v2 weighs a class by its accumulated gradients, whatever the hardness. Here a term
has both weights, and the gradients accumulated are those of this loss. With g = |p - y|, F(g; α) =
g - α·sin g (`grad_libra`) and w±(r) the weights of `eqlv2`, the loss of a term is

    w±(r)·F(g; α±)·(-ln(1 - g))

r is the ratio of the positive to the negative gradients of this loss accumulated for the class. It
is a statistic: no gradient flows through it or w.

    |dL/dz| = w±(r)·[g·F(g; α) - g·(1 - g)·(1 - α·cos g)·ln(1 - g)]

Without α (None) it is equalization loss v2; where a class is in balance (r well above μ), w is 1
and it is Grad-Libra.

Shape letters: N proposals, C classes.
"""

import math
from typing import Unpack

import torch
from mmdet.registry import MODELS
from torch import Tensor
from torch.nn import functional

from models.network.losses.dense_sigmoid import DenseSigmoidLoss, SharedArguments, lift, require
from models.network.losses.eqlv2 import weigh_sides
from models.network.losses.grad_libra import grad_libra_loss, weigh_hardness
from models.network.losses.gradient_tally import GradientTally


def grad_libra_gradient(logit: Tensor, target: Tensor, alpha: float | None) -> Tensor:
    """|dL/dz| of every term of Grad-Libra loss with the same α for both signs.

    Args:
        logit: (N, C) float32 or float64.
        target: (N, C) of 0 and 1, of the same dtype.
        alpha: in [0, 1], or None for sigmoid cross-entropy.

    Returns:
        (N, C) of the same dtype, non-negative.
    """
    towards = torch.where(target > 0, -logit, logit)
    g = torch.sigmoid(towards)
    if alpha is None:
        return g
    log_rest = functional.logsigmoid(-towards)
    return g * weigh_hardness(g, alpha) - g * (1 - g) * (1 - alpha * torch.cos(g)) * log_rest


@MODELS.register_module()
class BalanceLibraLoss(DenseSigmoidLoss):
    """Balance-Libra loss as mmdet's dense heads call it; sums its gradients while training.

    Each call is weighted by the gradients of the calls before it, then adds its weighted gradients.
    A class without any negative gradient yet counts as balanced, so the loss begins as Grad-Libra.

    Args:
        num_classes: C.
        alpha: α⁺ and α⁻ of Grad-Libra, in [0, 1], or None.
        gamma: steepness of the map from ratio to weight in equalization loss v2.
        mu: ratio at which that map is 0.5.
        boost: largest additional weight of positive terms; α in the paper of equalization loss v2.
        shared: see `DenseSigmoidLoss`.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(
        self,
        num_classes: int,
        alpha: float | None = 0.8,
        gamma: float = 12.0,
        mu: float = 0.8,
        boost: float = 4.0,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(**shared)
        require(num_classes >= 1, "num_classes", num_classes, "be ≥ 1")
        require(alpha is None or 0 <= alpha <= 1, "alpha", alpha, "lie in [0, 1] or be None")
        require(0 < gamma < math.inf, "gamma", gamma, "be a number > 0")
        require(0 <= mu < math.inf, "mu", mu, "be a number ≥ 0")
        require(0 <= boost < math.inf, "boost", boost, "be a number ≥ 0")
        self.num_classes = num_classes
        self.alpha = alpha
        self.gamma = gamma
        self.mu = mu
        self.boost = boost
        self.tally = GradientTally(num_classes)

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """Grad-Libra's terms, weighted by class; then adds their gradients to the tally."""
        z = lift(logit)
        y = target.to(z.dtype)
        ratio = self.tally.compute_ratio()
        weight = weigh_sides(y, ratio, self.gamma, self.mu, self.boost).to(z.dtype)
        magnitude = weight * grad_libra_gradient(z.detach(), y, self.alpha)
        self.tally.add(magnitude, y, counted)
        return weight * grad_libra_loss(z, y, self.alpha, self.alpha)
