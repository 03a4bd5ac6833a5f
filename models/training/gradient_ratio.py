"""Ratio of positive to negative gradients, class by class, recorded during training.

The diagnostic of the Grad-Libra paper (its Fig. 3a), recorded by a hook on the classification loss.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from models.network.losses.dense_targets import spread_targets, spread_weights


class GradientRatio:
    """Accumulated gradient magnitudes of sigmoid cross-entropy, whatever the training loss is.

    With p = sigmoid(logit) and the target y, one call of the loss adds |mean y (p - 1)| to a
    class's positive sum and |mean (1 - y) p| to its negative one; means are over its proposals.
    The ratio of the sums stays far below 1 for a class whose positive gradients are outweighed.

    Attributes:
        positive: (C,) float64, sum over all calls so far.
        negative: (C,) float64, likewise.
        ratio_by_epoch: a list of C ratios for each completed epoch.
    """

    def __init__(self, num_classes: int) -> None:
        self.positive = torch.zeros(num_classes, dtype=torch.float64)
        self.negative = torch.zeros(num_classes, dtype=torch.float64)
        self.ratio_by_epoch: list[list[float]] = []

    def watch(self, loss_cls: nn.Module) -> RemovableHandle:
        """Records every call of a dense sigmoid loss `loss_cls(logits (N, C), target, ...)`."""
        return loss_cls.register_forward_pre_hook(self._add, with_kwargs=True)

    def end_epoch(self) -> None:
        """Notes the ratio since the beginning of training."""
        self.ratio_by_epoch.append((self.positive / self.negative.clamp(min=1e-30)).tolist())

    def checkpoint(self) -> dict[str, Any]:
        """Everything needed to resume, as tensors and plain values."""
        return {
            "positive": self.positive.clone(),
            "negative": self.negative.clone(),
            "ratio_by_epoch": [list(ratios) for ratios in self.ratio_by_epoch],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restores the state that `checkpoint` returned."""
        self.positive, self.negative = state["positive"].clone(), state["negative"].clone()
        self.ratio_by_epoch = [list(ratios) for ratios in state["ratio_by_epoch"]]

    @torch.no_grad()
    def _add(self, loss_cls: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        logits: Tensor = args[0] if args else kwargs["pred"]
        target: Any = args[1] if len(args) > 1 else kwargs["target"]
        # Quality focal loss passes (labels, qualities).
        labels = target[0] if isinstance(target, tuple) else target
        if not len(logits):
            return
        one_hot, valid = spread_targets(labels, logits.shape)
        probability, y = torch.sigmoid(logits.float()), one_hot.float()
        weight: Tensor | None = args[2] if len(args) > 2 else kwargs.get("weight")
        spread = spread_weights(weight, logits.shape)
        counted = (valid if spread is None else valid & (spread > 0)).float()
        positive = (counted * y * (1 - probability)).mean(dim=0)
        negative = (counted * (1 - y) * probability).mean(dim=0)
        self.positive += positive.double().cpu()
        self.negative += negative.double().cpu()
