"""A detector that finds exactly the cells it was given, wherever a tile shows them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.classes import BETHESDA
from models.detector import (
    Detections,
    DetectorInfo,
    InputSpec,
    SlideScoreModel,
    TileBatch,
    spread_scores,
)

SLIDE_SCORE = SlideScoreModel(
    class_weights=(0.0, 0.3, 0.6, 0.8, 1.0, 1.0),
    prior_abnormal=0.02,
    prior_total=10.0,
    intercept=5.0,
    slope=1.5,
    category_min_count=2,
    category_min_fractions=(0.001,) * 6,
)


class FakeDetector:
    """Returns every known cell that overlaps a tile, whole; ignores the pixels."""

    def __init__(
        self,
        bbox_xyxy: NDArray[np.float32],
        label: NDArray[np.int16],
        score: NDArray[np.float32],
        input_spec: InputSpec | None = None,
        merge_iou: float = 0.6,
    ) -> None:
        class_scores = spread_scores(score, label, len(BETHESDA))
        self.cells = Detections(
            bbox_xyxy, score, label, np.zeros(len(score), np.int32), class_scores
        )
        self.info = DetectorInfo(
            name="fake",
            digest="sha256:" + "0" * 64,
            engine="fake",
            classes=BETHESDA,
            input=input_spec or InputSpec(mpp=0.5, tile_size_px=256, overlap_px=64),
            score_thresholds=(0.0,) * len(BETHESDA),
            merge_iou=merge_iou,
            slide_score=SLIDE_SCORE,
        )

    def detect(self, batch: TileBatch) -> Detections:
        """Cells overlapping each tile of the batch."""
        size = batch.pixels.shape[1] * batch.downsample
        boxes = self.cells.bbox_xyxy
        hit, tile = [], []
        for index, (x, y) in enumerate(batch.origin_xy):
            seen = (boxes[:, 0] < x + size) & (boxes[:, 2] > x)
            seen &= (boxes[:, 1] < y + size) & (boxes[:, 3] > y)
            hit.append(np.flatnonzero(seen))
            tile.append(np.full(seen.sum(), index, np.int32))
        cells = self.cells.take(np.concatenate(hit))
        return replace(cells, tile_index=np.concatenate(tile))
