"""A detector made of an mmdet network: an engine's raw outputs turned into cells of the slide.

All engines share what is here, so that they cannot differ in it.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.bundle.description import BundleModel
from models.calibrate.probability import Calibration
from models.detector import (
    Detections,
    DetectorInfo,
    TileBatch,
    join_detections,
    no_detections,
    spread_scores,
)
from models.errors import BundleError
from models.inference.engines.graph import Forward
from models.inference.joined_scores import weigh_opinions

#: What every head's `predict_by_feat` reads of the network's `test_cfg`.
TEST_CFG_KEYS = ("score_thr", "nms", "max_per_img")


class NetworkDetector:
    """Runs a network on tiles; see `models.detector.Detector`.

    Raises:
        BundleError: the network is no dense detector of the model's classes.
    """

    def __init__(
        self,
        model: BundleModel,
        network: nn.Module,
        forward: Forward,
        min_score: float | None = None,
    ) -> None:
        _check_fit(model, network)
        info = model.info(forward.name)
        if min_score is not None:
            info = replace(info, score_thresholds=(min_score,) * len(info.classes))
        self._info = info
        fitted = model.calibration
        self._calibration = Calibration(fitted.slopes, fitted.offsets) if fitted else None
        self._side_support, self._rival_power = model.side_support, model.rival_power
        self._is_abnormal = [one.is_abnormal for one in info.classes]
        self._forward = forward
        described: Any = network
        self._head = described.bbox_head
        self._test_cfg = described.test_cfg
        self._num_levels = len(described.bbox_head.prior_generator.strides)

    @property
    def info(self) -> DetectorInfo:
        """What it is and what it wants."""
        return self._info

    def detect(self, batch: TileBatch) -> Detections:
        """Cells of every tile, in level-0 px; see `models.detector.Detector.detect`."""
        if not len(batch.pixels):
            return no_detections(len(self._info.classes))
        raw = self._forward.run(batch.pixels)
        by_tile = self._read_boxes(raw, batch.pixels.shape[1:3])
        parts = [
            self._to_slide(found, batch, tile_index) for tile_index, found in enumerate(by_tile)
        ]
        return join_detections(parts)

    @torch.inference_mode()
    def _read_boxes(
        self, raw: list[Tensor], size_px: tuple[int, ...]
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16]]]:
        levels = self._num_levels
        outputs = [raw[start : start + levels] for start in range(0, len(raw), levels)]
        metas = [{"img_shape": tuple(size_px), "scale_factor": (1.0, 1.0)}] * len(raw[0])
        found = self._head.predict_by_feat(
            *outputs, batch_img_metas=metas, cfg=self._test_cfg, rescale=False
        )
        return [
            (
                one.bboxes.float().numpy(),
                one.scores.float().numpy(),
                one.labels.numpy().astype(np.int16),
            )
            for one in found
        ]

    def _to_slide(
        self,
        found: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16]],
        batch: TileBatch,
        tile_index: int,
    ) -> Detections:
        bbox_xyxy_tile, score, label = found
        score = weigh_opinions(
            bbox_xyxy_tile, score, label, self._is_abnormal, self._side_support, self._rival_power
        )
        if self._calibration is not None:
            score = self._calibration.apply(score, label).astype(np.float32)
        origin = np.tile(batch.origin_xy[tile_index], 2)
        bbox = (bbox_xyxy_tile.astype(np.float64) * batch.downsample + origin).astype(np.float32)
        whole = Detections(
            bbox,
            score,
            label,
            np.full(len(score), tile_index, np.int32),
            spread_scores(score, label, len(self._info.classes)),
        )
        keep = score >= np.asarray(self._info.score_thresholds, np.float32)[label]
        has_area = ((bbox[:, 2:] - bbox[:, :2]) > 0).all(axis=1)
        return whole.take(keep & has_area)


def _check_fit(model: BundleModel, network: nn.Module) -> None:
    head, test_cfg = getattr(network, "bbox_head", None), getattr(network, "test_cfg", None)
    if head is None or not hasattr(head, "prior_generator"):
        raise BundleError(
            f"network {type(network).__name__} of {model.name!r} has no dense bbox_head: "
            "use a single-stage detector"
        )
    missing = [key for key in TEST_CFG_KEYS if test_cfg is None or key not in test_cfg]
    if missing:
        raise BundleError(f"network.test_cfg of {model.name!r} lacks {', '.join(missing)}")
    if head.num_classes != len(model.classes):
        raise BundleError(
            f"network.bbox_head.num_classes of {model.name!r} is {head.num_classes}, but there are "
            f"{len(model.classes)} classes"
        )
