"""What a dense head says of a tile, read without caps: every box, with the scores of all classes.

Which boxes are of one cell is decided in `models/inference/cells.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: More places than any map has, so that `nms_pre` cuts nothing off; mmdet takes no None here.
NO_CAP = 1 << 62


@dataclass(frozen=True)
class Candidates:
    """N boxes, many of one cell.

    Attributes:
        bbox_xyxy: (N, 4) float32, tile px, finite, x1 < x2 and y1 < y2.
        class_scores: (N, C) float32 in [0, 1].
    """

    bbox_xyxy: NDArray[np.float32]
    class_scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.bbox_xyxy)


class HeadReader:
    """Reads the outputs of an mmdet head.

    `nms_pre` and `max_per_img`, caps that a bundle's `test_cfg` may state, and its `nms` are
    ignored: they cost cells where there are many.

    Args:
        head: of a single-stage detector.
        test_cfg: pairs of a box and a class below its `score_thr` are not read.
    """

    def __init__(self, head: Any, test_cfg: Mapping[str, Any]) -> None:
        self._head = getattr(head, "first_head", head)
        self._score_thr = float(test_cfg["score_thr"])
        self._min_side_px = max(0.0, float(test_cfg.get("min_bbox_size", 0)))
        self._num_levels = len(self._head.prior_generator.strides)
        self._reads_as_most = _reads_as_most(self._head)

    @torch.inference_mode()
    def read(self, raw: list[Tensor], size_px: tuple[int, int]) -> list[Candidates]:
        """The candidates of every tile.

        Args:
            raw: the head's outputs, flat: first kind of output first, one tensor a level; see
                `RawOutputs`.
            size_px: (height, width) of the tiles.
        """
        levels = self._num_levels
        outputs = [raw[start : start + levels] for start in range(0, len(raw), levels)]
        if not self._reads_as_most:
            return self._read_by_mmdet(outputs, size_px)
        sizes = [level.shape[-2:] for level in outputs[0]]
        priors = self._head.prior_generator.grid_priors(sizes, outputs[0][0].dtype, "cpu")
        return [
            self._read_tile([[level[index] for level in kind] for kind in outputs], priors, size_px)
            for index in range(len(raw[0]))
        ]

    def _read_tile(
        self, outputs: list[list[Tensor]], priors: list[Tensor], size_px: tuple[int, int]
    ) -> Candidates:
        """As mmdet reads it, but each box once for all its classes: several times faster."""
        boxes, scores = [], []
        for prior, *kinds in zip(priors, *outputs, strict=True):
            class_logit = _by_place(kinds[0], self._head.cls_out_channels)
            # Most places are background, so they are left out before anything is computed of them.
            least = torch.logit(torch.tensor(self._score_thr))
            place = (class_logit.amax(dim=1) > least).nonzero().squeeze(1)
            score = class_logit[place].sigmoid()
            score *= score > self._score_thr
            if len(kinds) > 2:
                score *= _by_place(kinds[2], 1)[place].sigmoid()
            delta = _by_place(kinds[1], 4)[place]
            boxes.append(self._head.bbox_coder.decode(prior[place], delta, max_shape=size_px))
            scores.append(score)
        return self._keep_usable(torch.cat(boxes), torch.cat(scores))

    def _read_by_mmdet(
        self, outputs: list[list[Tensor]], size_px: tuple[int, int]
    ) -> list[Candidates]:
        """For heads with a way of reading of their own; a box of two classes is given twice."""
        from mmengine.config import ConfigDict

        by_tile = self._head.predict_by_feat(
            *outputs,
            batch_img_metas=[{"img_shape": size_px}] * len(outputs[0][0]),
            cfg=ConfigDict(score_thr=self._score_thr, nms_pre=NO_CAP),
            with_nms=False,
        )
        read = []
        for instances in by_tile:
            score = torch.zeros(len(instances.labels), self._head.num_classes)
            score[torch.arange(len(score)), instances.labels] = instances.scores.float()
            read.append(self._keep_usable(instances.bboxes, score))
        return read

    def _keep_usable(self, bbox_xyxy: Tensor, class_scores: Tensor) -> Candidates:
        sides = bbox_xyxy[:, 2:] - bbox_xyxy[:, :2]
        usable = (sides > self._min_side_px).all(dim=1)
        # Boxes may overflow though all that the network gave is finite.
        usable &= bbox_xyxy.isfinite().all(dim=1)
        return Candidates(bbox_xyxy[usable].float().numpy(), class_scores[usable].float().numpy())


def _reads_as_most(head: Any) -> bool:
    """True for heads whose boxes are decoded as `BaseDenseHead` decodes them, by a sigmoid a class.

    GFL and RepPoints override it.
    """
    from mmdet.models.dense_heads.base_dense_head import BaseDenseHead

    own = type(head)
    return bool(
        own.predict_by_feat is BaseDenseHead.predict_by_feat
        and own._predict_by_feat_single is BaseDenseHead._predict_by_feat_single
        and head.use_sigmoid_cls
        and not getattr(head.loss_cls, "custom_cls_channels", False)
    )


def _by_place(level: Tensor, size: int) -> Tensor:
    """(places, size) of an output (priors * size, h, w)."""
    return level.permute(1, 2, 0).reshape(-1, size)
