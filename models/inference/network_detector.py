"""A detector made of an mmdet network: an engine's raw outputs turned into cells of the slide.

All engines share what is here, so that they cannot differ in it.
"""

from dataclasses import replace
from typing import Any

import numpy as np
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
)
from models.errors import BundleError
from models.inference.cell_limit import limit_cells
from models.inference.cells import Cells, group_candidates
from models.inference.dense_reading import HeadReader
from models.inference.engines.graph import Forward
from models.inference.joined_scores import join_scores, least_best_score

#: Relative, of scores in float32.
ROUNDING = 1e-4


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
        self._is_abnormal = [cell_class.is_abnormal for cell_class in info.classes]
        self._forward = forward
        described: Any = network
        self._reader = HeadReader(described.bbox_head, described.test_cfg)
        self._min_score = self._least_reported()

    @property
    def info(self) -> DetectorInfo:
        """What it is and what it wants."""
        return self._info

    def detect(self, batch: TileBatch) -> Detections:
        """Cells of every tile, in level-0 px; see `models.detector.Detector.detect`.

        Raises:
            BundleError: the network gives numbers that are not finite.
        """
        if not len(batch.pixels):
            return no_detections(len(self._info.classes))
        raw = self._forward.run(batch.pixels)
        self._check_finite(raw)
        height_px, width_px = batch.pixels.shape[1:3]
        by_tile = self._reader.read(raw, (height_px, width_px))
        limit = limit_cells(width_px, height_px, self._info.input.mpp)
        parts = []
        for tile_index, candidates in enumerate(by_tile):
            cells = group_candidates(candidates, self._info.merge_iou, self._min_score)
            detections = self._report(cells, batch, tile_index)
            parts.append(_keep_best(detections, limit))
        return join_detections(parts)

    def _check_finite(self, raw: list[Tensor]) -> None:
        """A tile whose numbers overflow would else give no cells, as if there were none."""
        if not all(bool(level.isfinite().all()) for level in raw):
            raise BundleError(
                f"detector {self._info.name!r} gives numbers that are not finite: its weights are "
                "broken, or too large for the short floats of this engine; train it anew"
            )

    def _least_reported(self) -> float:
        """The network's score below which no cell can reach a threshold: most need not be cells."""
        combined = np.asarray(self._info.score_thresholds)
        if self._calibration is not None:
            combined = self._calibration.least_score(combined)
        least = [
            least_best_score(score, self._is_abnormal.count(side), self._side_support)
            for score, side in zip(combined.tolist(), self._is_abnormal, strict=True)
        ]
        return min(least) * (1 - ROUNDING)

    def _report(self, cells: Cells, batch: TileBatch, tile_index: int) -> Detections:
        """The cells with a class at its threshold, in level-0 px."""
        class_scores = join_scores(
            cells.class_scores, self._is_abnormal, self._side_support, self._rival_power
        )
        if self._calibration is not None:
            labels = np.arange(class_scores.shape[1])
            class_scores = self._calibration.apply(class_scores, labels).astype(np.float32)
        score, label = _choose_class(class_scores, self._info.score_thresholds)
        origin = np.tile(batch.origin_xy[tile_index], 2)
        bbox = cells.bbox_xyxy.astype(np.float64) * batch.downsample + origin
        detections = Detections(
            bbox.astype(np.float32),
            score,
            label,
            np.full(len(score), tile_index, np.int32),
            class_scores,
        )
        # Level-0 px are float32, too: far from the origin a sliver may lose its area.
        sides = detections.bbox_xyxy[:, 2:] - detections.bbox_xyxy[:, :2]
        return detections.take((label >= 0) & (sides > 0).all(axis=1))


def _choose_class(
    class_scores: NDArray[np.float32], score_thresholds: tuple[float, ...]
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """(K,) score and class of each cell's best class that reaches its threshold; else class -1."""
    reached = np.where(
        class_scores >= np.asarray(score_thresholds, np.float32), class_scores, np.float32(-1)
    )
    score = reached.max(axis=1)
    label = np.where(score >= 0, reached.argmax(axis=1), -1)
    return score, label.astype(np.int16)


def _keep_best(detections: Detections, limit: int) -> Detections:
    """At most `limit` of a tile's detections, those of the highest scores."""
    if len(detections) <= limit:
        return detections
    return detections.take(np.argsort(-detections.score, kind="stable")[:limit])


def _check_fit(model: BundleModel, network: nn.Module) -> None:
    head, test_cfg = getattr(network, "bbox_head", None), getattr(network, "test_cfg", None)
    if head is None or not hasattr(head, "prior_generator"):
        raise BundleError(
            f"network {type(network).__name__} of {model.name!r} has no dense bbox_head: "
            "use a single-stage detector"
        )
    score_thr = test_cfg.get("score_thr") if isinstance(test_cfg, dict) else None
    if not isinstance(score_thr, int | float) or not 0 <= score_thr < 1:
        raise BundleError(
            f"network.test_cfg.score_thr of {model.name!r} is {str(score_thr)[:40]!r}: give "
            "a number from 0 to below 1; candidates with less are not read"
        )
    if head.num_classes != len(model.classes):
        raise BundleError(
            f"network.bbox_head.num_classes of {model.name!r} is {head.num_classes}, but there are "
            f"{len(model.classes)} classes"
        )
