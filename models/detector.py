"""What goes into a detector and what comes out: batches of tiles in, detections out.

Owns the types and the `Detector` protocol; the engines that fulfil it are in `models/inference`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.classes import CellClass


@dataclass(frozen=True)
class InputSpec:
    """The tiles that a detector wants.

    Attributes:
        mpp: µm per tile pixel it was trained at.
        tile_size_px: side of a square tile, tile pixels.
        overlap_px: by how much neighbouring tiles overlap, tile pixels; at least the size of the
            largest cell that must be whole in some tile.
    """

    mpp: float
    tile_size_px: int
    overlap_px: int


@dataclass(frozen=True)
class SevereTerm:
    """The slide score's second term, for few but certain cells of severe classes.

    Attributes:
        class_weights: one per class, non-negative, non-decreasing with severity, 0 for negative.
        certainty_power: a cell of score s counts as s to this power; 0 counts all alike.
        prior_total: cells assumed on top of those detected.
        intercept: of the logistic.
        slope: of the logistic, positive.
    """

    class_weights: tuple[float, ...]
    certainty_power: float
    prior_total: float
    intercept: float
    slope: float


@dataclass(frozen=True)
class SlideScoreModel:
    """Coefficients of the slide score and category; formulas in `service/pipeline/report/`.

    Attributes:
        class_weights: one per class, non-negative, non-decreasing with severity, 0 for negative.
        prior_abnormal: weighted abnormal cells assumed on top of those detected.
        prior_total: cells assumed on top of those detected.
        intercept: of the logistic.
        slope: of the logistic, positive.
        category_min_count: cells of at least a severity needed to name that category.
        category_min_fractions: the same as fractions of all cells, one per class; the larger of
            count and fraction decides.
        certainty_power: a cell of score s counts as s to this power; 0 counts all alike, as bundles
            do that were calibrated without it.
        severe: the second term; None in bundles that were calibrated without one.
    """

    class_weights: tuple[float, ...]
    prior_abnormal: float
    prior_total: float
    intercept: float
    slope: float
    category_min_count: int
    category_min_fractions: tuple[float, ...]
    certainty_power: float = 0.0
    severe: SevereTerm | None = None


@dataclass(frozen=True)
class DetectorInfo:
    """Everything that the product needs to know of a detector besides running it.

    Attributes:
        name: as in `--detector NAME`.
        digest: "sha256:" and 64 hex digits over weights and model.json.
        engine: "torch" or "openvino" (or another for test doubles).
        classes: in label order.
        input: the tiles that it wants.
        score_thresholds: one per class; detections below are not reported.
        merge_iou: boxes that overlap by more are one cell, whatever their classes.
        slide_score: coefficients of the slide score.
    """

    name: str
    digest: str
    engine: str
    classes: tuple[CellClass, ...]
    input: InputSpec
    score_thresholds: tuple[float, ...]
    merge_iou: float
    slide_score: SlideScoreModel


@dataclass(frozen=True)
class TileBatch:
    """B tiles, read and resampled to the detector's µm/px.

    Attributes:
        pixels: (B, H, W, 3) uint8, RGB.
        origin_xy: (B, 2) float64, level-0 px of each tile's top left corner.
        downsample: level-0 px per tile px.
    """

    pixels: NDArray[np.uint8]
    origin_xy: NDArray[np.float64]
    downsample: float


@dataclass(frozen=True)
class Detections:
    """N cells.

    Attributes:
        bbox_xyxy: (N, 4) float32, level-0 px, x1 < x2 and y1 < y2.
        score: (N,) float32 in [0, 1].
        label: (N,) int16, index into the detector's classes.
        tile_index: (N,) int32, which tile of the batch each was found in.
        class_scores: (N, C) float32 in [0, 1], the score of every class of the detector, in label
            order. What a stored file does not hold is NaN.
    """

    bbox_xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    label: NDArray[np.int16]
    tile_index: NDArray[np.int32]
    class_scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.score)

    def take(self, index: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> "Detections":
        """Those at `index`, (K,) int64 or (N,) bool, in that order."""
        return Detections(
            self.bbox_xyxy[index],
            self.score[index],
            self.label[index],
            self.tile_index[index],
            self.class_scores[index],
        )


def no_detections(num_classes: int) -> Detections:
    """An empty set of detections of a detector with that many classes."""
    return Detections(
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.float32),
        np.zeros(0, np.int16),
        np.zeros(0, np.int32),
        np.zeros((0, num_classes), np.float32),
    )


def join_detections(parts: Sequence[Detections]) -> Detections:
    """All of them, in order.

    Args:
        parts: at least one, all of the same number of classes.
    """
    return Detections(
        np.concatenate([part.bbox_xyxy for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.tile_index for part in parts]),
        np.concatenate([part.class_scores for part in parts]),
    )


def spread_scores(
    score: NDArray[np.float32], label: NDArray[np.int16], num_classes: int
) -> NDArray[np.float32]:
    """(N, C) float32: each score at its own label, 0 for every other class."""
    class_scores = np.zeros((len(score), num_classes), np.float32)
    class_scores[np.arange(len(score)), label] = score
    return class_scores


class Detector(Protocol):
    """Finds cells in tiles. Not thread-safe: one caller at a time."""

    @property
    def info(self) -> DetectorInfo:
        """What it is and what it wants."""
        ...

    def detect(self, batch: TileBatch) -> Detections:
        """Cells of every tile of the batch, duplicates within one tile removed.

        Boxes are in level-0 px and not clipped to the tile; scores are at least the class's
        threshold.
        """
        ...
