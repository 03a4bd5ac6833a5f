"""Equalization loss v2: classes with too little accumulated positive gradient get more of it.

A pure function, then the module that sums gradients during training. Source: Tan et al.,
"Equalization loss v2: a new gradient balance approach for long-tailed object detection", CVPR
2021, arXiv 2012.08548.

The paper's loss is of a two-stage detector, whose proposals are few and sampled. In a dense head
nearly all proposals are background, so the ratio of gradients is smaller for every class.

Shape letters: N proposals, C classes.
"""

import math
from typing import Unpack

import torch
from mmdet.registry import MODELS
from torch import Tensor

from models.network.losses.cross_entropy import sigmoid_cross_entropy
from models.network.losses.dense_sigmoid import DenseSigmoidLoss, SharedArguments, lift, require
from models.network.losses.gradient_tally import GradientTally


def weigh_sides(target: Tensor, ratio: Tensor, gamma: float, mu: float, alpha: float) -> Tensor:
    """Weight of every term: 1 + α·(1 - f(g)) if positive and f(g) if negative.

    Args:
        target: (N, C) of 0 and 1.
        ratio: (C,) g, positive over negative gradient so far, in [0, ∞].
        gamma: steepness of the map f(g) = 1 / (1 + e^{-γ(g - μ)}).
        mu: ratio at which f is 0.5.
        alpha: largest additional weight of positive terms.

    Returns:
        (N, C) in the ratio's dtype.
    """
    balance = torch.sigmoid(gamma * (ratio - mu))
    return torch.where(target > 0, 1 + alpha * (1 - balance), balance)


@MODELS.register_module()
class EqlV2Loss(DenseSigmoidLoss):
    """Equalization loss v2 as mmdet's dense heads call it; sums gradients while training.

    Each call is weighted by the gradients of the calls before it, then adds its weighted gradients.
    A class without any negative gradient yet has an infinite ratio, so f = 1 and the loss begins
    as cross-entropy; the paper's code begins at a ratio of 100, where f is 1 too.

    Args:
        num_classes: C.
        gamma: steepness of the map.
        mu: ratio at which the map is 0.5.
        alpha: largest additional weight of positive terms.
        shared: see `DenseSigmoidLoss`.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(
        self,
        num_classes: int,
        gamma: float = 12.0,
        mu: float = 0.8,
        alpha: float = 4.0,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(**shared)
        require(num_classes >= 1, "num_classes", num_classes, "be ≥ 1")
        require(0 < gamma < math.inf, "gamma", gamma, "be a number > 0")
        require(0 <= mu < math.inf, "mu", mu, "be a number ≥ 0")
        require(0 <= alpha < math.inf, "alpha", alpha, "be a number ≥ 0")
        self.num_classes = num_classes
        self.gamma = gamma
        self.mu = mu
        self.alpha = alpha
        self.tally = GradientTally(num_classes)

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """Weighted cross-entropy; then adds its gradients, |p - y| times the weight."""
        z = lift(logit)
        ratio = self.tally.compute_ratio()
        weight = weigh_sides(target, ratio, self.gamma, self.mu, self.alpha).to(z.dtype)
        magnitude = weight * (torch.sigmoid(z.detach()) - target).abs()
        self.tally.add(magnitude, target, counted)
        return weight * sigmoid_cross_entropy(z, target)
