"""Class-Libra loss: Grad-Libra with α⁺ and α⁻ for every class, from its accumulated gradients.

Not from a paper; the Grad-Libra paper has a single α per sign. A class whose accumulated positive
gradient is smaller than its negative gradient (r < 1) gets larger weights of positive terms and
smaller weights of negative terms; a balanced class has Grad-Libra's. Pure functions, then the
module that sums gradients.

With r the accumulated gradient ratio of a class, clamped to [0, 1]:

    α⁺(r) = α⁺·r            α⁻(r) = 1 - (1 - α⁻)·r

and, with g = |p - y| and F(g; α) = g - α·sin g, the loss of a positive term is
F(g; α⁺(r))·(-ln(1 - g)), of a negative term F(g; α⁻(r))·(-ln(1 - g)). r is a statistic, so no
gradient flows through it:

    |dL/dz| = g·F(g; α(r)) - g·(1 - g)·(1 - α(r)·cos g)·ln(1 - g)

Shape letters: N proposals, C classes.
"""

from typing import Unpack

import torch
from mmdet.registry import MODELS
from torch import Tensor
from torch.nn import functional

from models.network.losses.dense_sigmoid import DenseSigmoidLoss, SharedArguments, lift, require
from models.network.losses.grad_libra import weigh_hardness
from models.network.losses.gradient_tally import GradientTally


def lead_alphas(ratio: Tensor, alpha_pos: float, alpha_neg: float) -> tuple[Tensor, Tensor]:
    """(C,) α⁺ and (C,) α⁻ of every class, from its gradient ratio (C,) ≥ 0."""
    balance = ratio.clamp(0, 1)
    return alpha_pos * balance, 1 - (1 - alpha_neg) * balance


def class_libra_loss(logit: Tensor, target: Tensor, alpha_pos: Tensor, alpha_neg: Tensor) -> Tensor:
    """Loss of every proposal and class, not reduced.

    Args:
        logit: (N, C), any float dtype; half precision is lifted to float32 first.
        target: (N, C), 1 where the proposal is of the class, else 0.
        alpha_pos: (C,) in [0, 1], of `lead_alphas`.
        alpha_neg: (C,) in [0, 1], of `lead_alphas`.

    Returns:
        (N, C) float32 (float64 for float64 logits), non-negative.
    """
    z = lift(logit)
    y = target.to(z.dtype)
    weight_pos = weigh_hardness(torch.sigmoid(-z), alpha_pos.to(z.dtype))
    weight_neg = weigh_hardness(torch.sigmoid(z), alpha_neg.to(z.dtype))
    return -(
        y * weight_pos * functional.logsigmoid(z) + (1 - y) * weight_neg * functional.logsigmoid(-z)
    )


@MODELS.register_module()
class ClassLibraLoss(DenseSigmoidLoss):
    """Class-Libra loss as mmdet's dense heads call it; sums gradients while training.

    The ratio is that of sigmoid cross-entropy's gradients |p - y|, as in the paper's Fig. 3a, over
    the calls before this one. A class without any negative gradient yet counts as balanced, so the
    loss begins as Grad-Libra.

    Args:
        num_classes: C.
        alpha_pos: α⁺ of a balanced class, in [0, 1].
        alpha_neg: α⁻ of a balanced class, in [0, 1].
        shared: see `DenseSigmoidLoss`.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(
        self,
        num_classes: int,
        alpha_pos: float = 0.8,
        alpha_neg: float = 0.8,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(**shared)
        require(num_classes >= 1, "num_classes", num_classes, "be ≥ 1")
        for name, alpha in (("alpha_pos", alpha_pos), ("alpha_neg", alpha_neg)):
            require(0 <= alpha <= 1, name, alpha, "lie in [0, 1]")
        self.num_classes = num_classes
        self.alpha_pos = alpha_pos
        self.alpha_neg = alpha_neg
        self.tally = GradientTally(num_classes)

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """`class_libra_loss`; adds the gradients of cross-entropy to the tally."""
        alphas = lead_alphas(self.tally.compute_ratio(), self.alpha_pos, self.alpha_neg)
        magnitude = (torch.sigmoid(lift(logit.detach())) - target.float()).abs()
        self.tally.add(magnitude, target, counted)
        return class_libra_loss(logit, target, *alphas)
