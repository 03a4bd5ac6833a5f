"""Balanced group softmax for dense sigmoid heads: only classes of similar frequency compete.

Pure functions, then the thin module that mmdet's dense heads build. Source: Li et al., "Overcoming
classifier imbalance for long-tail object detection with balanced group softmax", CVPR 2020, arXiv
2006.10408.

Classes are grouped by their number of training cells, and each group G has a softmax over its
classes and an additional outcome, "others". How this differs from the paper:

- A dense head has exactly C logits, so the logit of "others" is fixed at 0:
  P(j) = e^{z_j} / (1 + Σ_{k in G} e^{z_k}). The paper learns it.
- The head's score stays sigmoid(z_j) = e^{z_j} / (1 + e^{z_j}). For a group of a single class
  that is P(j). In a larger group it is P(j | j or others) ≥ P(j), the probability given that the
  group's other classes are excluded. Within a proposal and a group both rank classes alike.
- There is no group for background: background proposals are "others" in every group, at weight 1,
  and need no rescaling by a foreground score.
- The paper draws, at random, at most 8 samples of "others" for each sample of a group's own
  classes, background among them. Here nothing is drawn: all foreground proposals of other groups
  are used, by default weighted with the share that the draw would select on average (from the
  classes' counts), and background has its full weight. This is the largest deviation.

Shape letters: N proposals, C classes.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Unpack

import torch
from mmdet.registry import MODELS
from torch import Tensor

from models.network.losses.dense_sigmoid import DenseSigmoidLoss, SharedArguments, lift, require

#: Lower bounds of all groups but the first, in training cells, as in the paper.
GROUP_EDGES = (10, 100, 1000)

#: β of the paper: samples of "others" per sample of a group's own classes.
OTHERS_PER_OWN = 8.0


def group_classes(class_counts: Sequence[int], group_edges: Sequence[float]) -> list[list[int]]:
    """Classes of each group that has any, rarest group first."""
    groups: list[list[int]] = [[] for _ in range(len(group_edges) + 1)]
    for label, count in enumerate(class_counts):
        groups[bisect_right(group_edges, count)].append(label)
    return [group for group in groups if group]


def weigh_others(class_counts: Sequence[int], group: Sequence[int]) -> float:
    """Weight of the other groups' cells: 8 per cell of this group over their number, at most 1."""
    num_own = sum(class_counts[label] for label in group)
    num_others = sum(class_counts) - num_own
    return min(1.0, OTHERS_PER_OWN * num_own / num_others) if num_others else 1.0


def group_loss(
    logit: Tensor, target: Tensor, counted: Tensor, others_weight: float | Tensor
) -> Tensor:
    """Softmax cross-entropy of one group of G classes, not reduced.

    Args:
        logit: (N, G), float32 or float64.
        target: (N, G) of 0 and 1; all 0 means "others".
        counted: (N, G) bool; the other classes do not compete.
        others_weight: factor for "others", a number or (N, 1).

    Returns:
        (N, G): the loss of a class of the group in that class's column; the loss of "others"
        divided evenly among the columns.
    """
    competing = torch.where(counted, logit, torch.full_like(logit, -torch.inf))
    others_logit = torch.zeros_like(logit[:, :1])
    log_total = torch.cat([competing, others_logit], dim=1).logsumexp(dim=1, keepdim=True)
    own_loss = target.to(logit.dtype) * (log_total - logit)
    others_loss = others_weight * log_total.expand(logit.shape) / logit.shape[1]
    return torch.where(target.any(dim=1, keepdim=True), own_loss, others_loss)


@MODELS.register_module()
class DenseBalancedGroupLoss(DenseSigmoidLoss):
    """Balanced group softmax as mmdet's dense heads call it.

    Args:
        class_counts: cells of each class in the training set, in the order of the classes.
        group_edges: increasing; a class of n cells is in a higher group from n = edge on.
        others_weight: weight of foreground proposals in groups without their class; None for the
            average of the paper's sampling, `weigh_others`. Background has weight 1.
        shared: see `DenseSigmoidLoss`.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(
        self,
        class_counts: Sequence[int],
        group_edges: Sequence[float] = GROUP_EDGES,
        others_weight: float | None = None,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(**shared)
        usable = len(class_counts) > 0 and all(0 <= count < math.inf for count in class_counts)
        require(usable, "class_counts", class_counts, "hold a number ≥ 0 for every class")
        rising = all(low < high for low, high in pairwise(group_edges))
        require(rising, "group_edges", group_edges, "increase")
        right = others_weight is None or 0 <= others_weight < math.inf
        require(right, "others_weight", others_weight, "be a number ≥ 0 or None")
        self.num_classes = len(class_counts)
        self.groups = group_classes(class_counts, group_edges)
        self.others_weights = [
            weigh_others(class_counts, group) if others_weight is None else others_weight
            for group in self.groups
        ]

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """`group_loss` of all groups, in the order of the classes."""
        z = lift(logit)
        foreground = target.any(dim=1, keepdim=True).to(z.dtype)
        term = torch.zeros_like(z)
        for group, weight in zip(self.groups, self.others_weights, strict=True):
            others_weight = weight * foreground + (1 - foreground)
            term[:, group] = group_loss(
                z[:, group], target[:, group], counted[:, group], others_weight
            )
        return term
