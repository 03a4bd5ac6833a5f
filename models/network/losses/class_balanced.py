"""Class-balanced loss: every proposal is weighted by its class's effective number of samples.

A pure function of the counts, then the thin module that mmdet's dense heads build. Source: Cui et
al., "Class-balanced loss based on effective number of samples", CVPR 2019, arXiv 1901.05555.

Shape letters: N proposals, C classes.
"""

import math
from collections.abc import Sequence
from typing import Unpack

import torch
from mmdet.registry import MODELS
from torch import Tensor

from models.network.losses.dense_sigmoid import DenseSigmoidLoss, SharedArguments, require
from models.network.losses.focal import focal_loss


def weigh_classes(class_counts: Sequence[int], beta: float) -> list[float]:
    """(1 - β) / (1 - β^n) of every class, scaled to mean 1 over the classes.

    Args:
        class_counts: n, cells of each class in the training set, ≥ 1.
        beta: in [0, 1); 0 gives 1 everywhere, and towards 1 the weight nears 1 / n.
    """
    log_beta = math.log(beta) if beta > 0 else -math.inf
    # expm1, since 1 - β^n cancels for β close to 1.
    weights = [(1 - beta) / -math.expm1(count * log_beta) for count in class_counts]
    return [weight * len(weights) / sum(weights) for weight in weights]


@MODELS.register_module()
class ClassBalancedLoss(DenseSigmoidLoss):
    """Class-balanced cross-entropy or focal loss as mmdet's dense heads call it.

    All terms of a proposal, positive and negative, have the weight of the proposal's class, as in
    the paper's sigmoid losses. The paper's data have no background; here background proposals have
    weight 1, the mean over the classes.

    Args:
        class_counts: cells of each class in the training set, in the order of the classes.
        beta: in [0, 1); the paper tries 0.9 to 0.9999.
        gamma: of focal loss without α; None for cross-entropy.
        shared: see `DenseSigmoidLoss`.

    Raises:
        ValueError: a count is below 1, β outside [0, 1), or gamma negative.
    """

    class_weight: Tensor

    def __init__(
        self,
        class_counts: Sequence[int],
        beta: float = 0.999,
        gamma: float | None = None,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(**shared)
        usable = len(class_counts) > 0 and all(1 <= count < math.inf for count in class_counts)
        require(usable, "class_counts", class_counts, "hold a number ≥ 1 for every class")
        require(0 <= beta < 1, "beta", beta, "lie in [0, 1)")
        right = gamma is None or 0 <= gamma < math.inf
        require(right, "gamma", gamma, "be a number ≥ 0 or None")
        self.num_classes = len(class_counts)
        self.gamma = gamma
        weight = torch.tensor(weigh_classes(class_counts, beta), dtype=torch.float64)
        # Not in checkpoints: it follows from the arguments.
        self.register_buffer("class_weight", weight, persistent=False)

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """Cross-entropy or focal loss times the weight of the proposal's class."""
        term = focal_loss(logit, target, self.gamma or 0.0)
        proposal_weight = self.class_weight.to(term.dtype)[target.argmax(dim=1)]
        positive = target.any(dim=1)
        weight = torch.where(positive, proposal_weight, torch.ones_like(proposal_weight))
        return weight[:, None] * term
