"""Measures a detector on labelled fields, the way the design of the product lays down.

AP is taken over a detection for every class of every cell; counts, precision, recall and F1 over
one detection a cell, at the shipped thresholds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.classes import CellClass
from models.data.coco import Field, FieldSet
from models.data.resample import resample_field
from models.detector import Detector, TileBatch
from models.inference.cells import group_boxes
from models.measure.metrics import (
    FieldResult,
    Rates,
    average_precision,
    confusion_matrix,
    rates_of_classes,
)

#: Detections below are of no use to AP, and many. A cell's rival classes are discounted far down.
MIN_SCORE = 0.001
#: Networks halve their input up to five times.
SIDE_MULTIPLE_PX = 32
#: AP by centre distance stands beside AP50: box size may carry no information.
CENTRE_DISTANCE_UM = 10.0


@dataclass(frozen=True)
class Evaluation:
    """How good a detector is on a set of fields; every figure 0-1.

    Attributes:
        ap50: by class name, for classes with cells; `map50` is their mean.
        any_cell_ap50, abnormal_ap50: classes merged first; None without such cells.
        centre: the same four by centre distance within 10 µm.
        any_cell: one cell, one detection, whatever its class.
        normal_vs_abnormal: positive is abnormal; a cell that is missed or of the wrong side counts.
        confusion: (C + 1, C + 1) rows true, columns found, last = none.
        class_names: of rows and columns.
        num_images, num_cells: of the set.
    """

    map50: float
    ap50: dict[str, float]
    any_cell_ap50: float | None
    abnormal_ap50: float | None
    centre: dict[str, Any]
    any_cell: Rates
    normal_vs_abnormal: Rates
    confusion: NDArray[np.int64]
    class_names: tuple[str, ...]
    num_images: int
    num_cells: int

    def to_json(self) -> dict[str, Any]:
        """Plain values, under the names scripts rely on."""
        return {
            "map50": self.map50,
            "ap50": self.ap50,
            "any_cell_ap50": self.any_cell_ap50,
            "abnormal_ap50": self.abnormal_ap50,
            "by_centre_distance_10um": self.centre,
            "any_cell": vars(self.any_cell),
            "normal_vs_abnormal": vars(self.normal_vs_abnormal),
            "confusion_matrix": {
                "rows_true_columns_found": [*self.class_names, "none"],
                "counts": self.confusion.tolist(),
            },
            "num_images": self.num_images,
            "num_cells": self.num_cells,
        }


def detect_fields(
    detector: Detector, fields: FieldSet, on_field: Callable[[], None] = lambda: None
) -> list[FieldResult]:
    """What the detector reports of every field, each read whole at the detector's µm/px.

    Every class of a cell is a detection of its own, if it reaches `MIN_SCORE`; `merge_cells` gives
    the cells.

    Raises:
        DatasetError: an image cannot be read.
    """
    results = []
    for field in fields.fields:
        results.append(detect_field(detector, field))
        on_field()
    return results


def evaluate(
    results: Sequence[FieldResult],
    classes: tuple[CellClass, ...],
    score_thresholds: Sequence[float],
    merge_iou: float,
) -> Evaluation:
    """All figures of one detector on one set of fields.

    Args:
        results: from `detect_fields`, with a detector loaded at a low score threshold.
        classes: of the detector and the fields, in label order.
        score_thresholds: one per class, as shipped.
        merge_iou: as shipped.
    """
    by_iou = _precisions(results, classes, None)
    by_centre = _precisions(results, classes, CENTRE_DISTANCE_UM)
    reported = [merge_cells(result, score_thresholds, merge_iou) for result in results]
    matrix = confusion_matrix(reported, len(classes))
    abnormal = np.array([cell_class.is_abnormal for cell_class in classes])
    return Evaluation(
        map50=by_iou["map50"],
        ap50=by_iou["ap50"],
        any_cell_ap50=by_iou["any_cell_ap50"],
        abnormal_ap50=by_iou["abnormal_ap50"],
        centre=by_centre,
        any_cell=rates_of_classes(matrix, np.ones(len(classes), bool)),
        normal_vs_abnormal=rates_of_classes(matrix, abnormal),
        confusion=matrix,
        class_names=tuple(cell_class.name for cell_class in classes),
        num_images=len(results),
        num_cells=sum(len(result.true_label) for result in results),
    )


def merge_cells(
    result: FieldResult, score_thresholds: Sequence[float], merge_iou: float
) -> FieldResult:
    """The field's detections as the product reports them: at threshold, one to a cell."""
    keep = result.score >= np.asarray(score_thresholds, np.float32)[result.label]
    chosen = np.flatnonzero(keep)
    chosen = chosen[np.argsort(-result.score[chosen], kind="stable")]
    cell = group_boxes(result.bbox_xyxy[chosen], result.score[chosen], merge_iou)
    return _take(result, chosen[cell == np.arange(len(cell))])


def keep_above(result: FieldResult, score: float) -> FieldResult:
    """The field with only those detections whose score is at least `score`."""
    return _take(result, np.flatnonzero(result.score >= np.float32(score)))


def make_tile(pixels: NDArray[np.uint8]) -> TileBatch:
    """A whole field as one tile, in its own pixels; padded to a size that networks can halve."""
    height, width = pixels.shape[:2]
    pad = [(0, -height % SIDE_MULTIPLE_PX), (0, -width % SIDE_MULTIPLE_PX), (0, 0)]
    # The field's own bright background, so that its edge is no edge to the network.
    blank = int(np.percentile(pixels, 90))
    return TileBatch(np.pad(pixels, pad, constant_values=blank)[None], np.zeros((1, 2)), 1.0)


def _take(result: FieldResult, index: NDArray[np.int64]) -> FieldResult:
    return replace(
        result,
        bbox_xyxy=result.bbox_xyxy[index],
        label=result.label[index],
        score=result.score[index],
    )


def _precisions(
    results: Sequence[FieldResult],
    classes: tuple[CellClass, ...],
    max_distance_um: float | None,
) -> dict[str, Any]:
    if max_distance_um is not None and any(result.mpp is None for result in results):
        return {"map50": None, "ap50": {}, "any_cell_ap50": None, "abnormal_ap50": None}
    num_classes = len(classes)
    by_class = average_precision(results, np.arange(num_classes), max_distance_um)
    every = average_precision(results, np.zeros(num_classes, np.int64), max_distance_um)
    sides = np.array([0 if cell_class.is_abnormal else -1 for cell_class in classes])
    abnormal = average_precision(results, sides, max_distance_um)
    return {
        "map50": float(np.mean(list(by_class.values()))) if by_class else 0.0,
        "ap50": {classes[label].name: value for label, value in by_class.items()},
        "any_cell_ap50": every.get(0),
        "abnormal_ap50": abnormal.get(0),
    }


def detect_field(detector: Detector, field: Field) -> FieldResult:
    """Everything the detector sees on one field, read whole at the detector's µm/px.

    Raises:
        DatasetError: the image cannot be read.
    """
    spec = detector.info.input
    sample = resample_field(field, spec.mpp)
    detections = detector.detect(make_tile(sample.pixels))
    scale = 1.0 if field.mpp is None else field.mpp / spec.mpp
    limit = np.array([field.width, field.height] * 2, np.float32)
    # Labelled boxes are clipped to the field, so detections are too.
    bbox = np.clip(detections.bbox_xyxy / np.float32(scale), 0, limit).astype(np.float32)
    has_area = ((bbox[:, 2:] - bbox[:, :2]) > 0).all(axis=1)
    is_detection = (detections.class_scores >= np.float32(MIN_SCORE)) & has_area[:, None]
    cell, label = np.nonzero(is_detection)
    return FieldResult(
        true_bbox_xyxy=field.bbox_xyxy,
        true_label=field.label,
        true_centre_xy=field.centre_xy,
        bbox_xyxy=bbox[cell],
        label=label.astype(np.int16),
        score=detections.class_scores[cell, label],
        mpp=field.mpp,
    )
