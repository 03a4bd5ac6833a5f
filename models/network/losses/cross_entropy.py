"""Sigmoid cross-entropy: the baseline loss, without any balancing of classes.

A pure function, then the thin module that mmdet's dense heads build.

Shape letters: N proposals, C classes.
"""

from mmdet.registry import MODELS
from torch import Tensor
from torch.nn import functional

from models.network.losses.dense_sigmoid import DenseSigmoidLoss, lift


def sigmoid_cross_entropy(logit: Tensor, target: Tensor) -> Tensor:
    """Loss of every proposal and class, not reduced: -y·log p - (1 - y)·log(1 - p).

    Args:
        logit: (N, C), any float dtype; half precision is lifted to float32 first.
        target: (N, C), 1 where the proposal is of the class, else 0.

    Returns:
        (N, C) float32 (float64 for float64 logits), non-negative.
    """
    z = lift(logit)
    y = target.to(z.dtype)
    return -(y * functional.logsigmoid(z) + (1 - y) * functional.logsigmoid(-z))


@MODELS.register_module()
class SigmoidCrossEntropyLoss(DenseSigmoidLoss):
    """Sigmoid cross-entropy as mmdet's dense heads call it; arguments as `DenseSigmoidLoss`."""

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """`sigmoid_cross_entropy` of every term."""
        return sigmoid_cross_entropy(logit, target)
