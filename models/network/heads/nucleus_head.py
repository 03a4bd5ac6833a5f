"""A dense head with objectness and a softmax over classes: P(cell) and P(class | cell).

Not from a paper. With a sigmoid per class, as in the heads of the Grad-Libra paper, every class is
learned against all background. Here a single objectness is learned from all cells, and the classes
are learned on cells alone, so that background does not outweigh a rare class.
"""

from typing import Any

import torch
from mmdet.models.dense_heads import FCOSHead
from mmdet.registry import MODELS
from mmdet.utils import reduce_mean
from mmengine.model import bias_init_with_prob
from torch import Tensor, nn
from torch.nn import functional

#: Exponent of the difference in the objectness loss, as in quality focal loss.
FOCUS = 2.0
OBJECTNESS_AT_START = 0.01
#: A logit whose sigmoid is 1, and how far a log-probability stays from 0.
CERTAIN, NEARLY_CERTAIN = 20.0, 1e-4


@MODELS.register_module()
class NucleusHead(FCOSHead):  # type: ignore[misc]
    """FCOS's towers with objectness instead of centerness and a softmax over classes.

    The target of objectness is FCOS's centerness on cells and 0 elsewhere. In evaluation the head
    outputs the log-odds of P(class | cell) · P(cell) as class logits, and an objectness of 1.

    Args:
        objectness_weight: factor on the objectness loss.
        kwargs: FCOSHead's; `loss_cls` is called with positions on cells alone and needs
            `use_sigmoid=True`, which makes C channels.
    """

    def __init__(self, *args: Any, objectness_weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.objectness_weight = objectness_weight

    def init_weights(self) -> None:
        """Initialises as FCOSHead, with objectness starting at a small prior: nuclei are rare."""
        super().init_weights()
        nn.init.constant_(self.conv_centerness.bias, bias_init_with_prob(OBJECTNESS_AT_START))

    def forward_single(self, x: Tensor, scale: Any, stride: int) -> tuple[Tensor, Tensor, Tensor]:
        """Class logits (joint log-odds in evaluation), distances and objectness of a level."""
        logit, distance, objectness = super().forward_single(x, scale, stride)
        if self.training:
            return logit, distance, objectness
        # FCOSHead selects positions by class score alone, so the score must include objectness.
        certain = torch.full_like(objectness, CERTAIN)
        return join_odds(logit, objectness), distance, certain

    def loss_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        centernesses: list[Tensor],
        batch_gt_instances: list[Any],
        batch_img_metas: list[dict[str, Any]],
        batch_gt_instances_ignore: Any = None,
    ) -> dict[str, Tensor]:
        """Losses of one batch; arguments as FCOSHead's."""
        points = self.prior_generator.grid_priors(
            [level.shape[-2:] for level in cls_scores], bbox_preds[0].dtype, bbox_preds[0].device
        )
        labels, distances = self.get_targets(points, batch_gt_instances)
        label, target_distance = torch.cat(labels), torch.cat(distances)
        logit, distance = _flatten(cls_scores), _flatten(bbox_preds)
        objectness = _flatten(centernesses).squeeze(1)
        on_cell = (label >= 0) & (label < self.num_classes)
        position = torch.cat([level.repeat(len(batch_img_metas), 1) for level in points])[on_cell]
        centred = self.centerness_target(target_distance[on_cell]).float()
        total = reduce_mean(centred.sum()).clamp(min=1.0)
        quality = torch.zeros_like(objectness, dtype=torch.float32)
        quality[on_cell] = centred
        return {
            "loss_cls": self.loss_cls(
                logit[on_cell], label[on_cell], weight=centred, avg_factor=total
            ),
            "loss_bbox": self._box_loss(
                position, distance[on_cell], target_distance[on_cell], centred, total
            ),
            "loss_objectness": self.objectness_weight
            * quality_focal_loss(objectness, quality).sum()
            / total,
        }

    def _box_loss(
        self,
        position: Tensor,
        distance: Tensor,
        target_distance: Tensor,
        weight: Tensor,
        total: Tensor,
    ) -> Tensor:
        if not len(position):
            return distance.sum()
        predicted_box = self.bbox_coder.decode(position, distance)
        target_box = self.bbox_coder.decode(position, target_distance)
        loss: Tensor = self.loss_bbox(predicted_box, target_box, weight=weight, avg_factor=total)
        return loss


def join_odds(logit: Tensor, objectness: Tensor) -> Tensor:
    """Log-odds of softmax(class logits) · sigmoid(objectness).

    Args:
        logit: (B, C, h, w).
        objectness: (B, 1, h, w) logits.

    Returns:
        (B, C, h, w) float32.
    """
    log_p = functional.log_softmax(logit.float(), dim=1) + functional.logsigmoid(objectness.float())
    log_p = log_p.clamp(max=-NEARLY_CERTAIN)
    return log_p - torch.log1p(-log_p.exp())


def quality_focal_loss(logit: Tensor, quality: Tensor) -> Tensor:
    """|q - p|² times cross-entropy, of any shape, not reduced.

    Source: Li et al., "Generalized focal loss", NeurIPS 2020, Eq. 2.
    """
    z = logit.float()
    entropy = functional.binary_cross_entropy_with_logits(z, quality, reduction="none")
    return (quality - z.sigmoid()).abs().pow(FOCUS) * entropy


def _flatten(levels: list[Tensor]) -> Tensor:
    """(N, K) of levels (B, K, h, w), level by level, image by image."""
    return torch.cat([level.permute(0, 2, 3, 1).reshape(-1, level.shape[1]) for level in levels])
