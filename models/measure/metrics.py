"""How good detections are: average precision by COCO's rules, and cells paired one to one.

Pure functions of boxes; running a detector over fields is left to `models/measure/evaluate.py`.
Shape letters: G cells of a field, D detections of a field, C classes.
"""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

#: Fields hold up to 93 cells; COCO's usual 100 detections would cut recall.
MAX_DETECTIONS = 1000


@dataclass(frozen=True)
class FieldResult:
    """The cells of one field and what a detector said of it, in px of one frame.

    Attributes:
        true_bbox_xyxy: (G, 4) float32.
        true_label: (G,) int16.
        true_centre_xy: (G, 2) float32.
        bbox_xyxy: (D, 4) float32.
        label: (D,) int16.
        score: (D,) float32.
        mpp: µm/px of this frame; None where unknown.
    """

    true_bbox_xyxy: NDArray[np.float32]
    true_label: NDArray[np.int16]
    true_centre_xy: NDArray[np.float32]
    bbox_xyxy: NDArray[np.float32]
    label: NDArray[np.int16]
    score: NDArray[np.float32]
    mpp: float | None

    @property
    def centre_xy(self) -> NDArray[np.float32]:
        """(D, 2) float32, centres of the detections."""
        return (self.bbox_xyxy[:, :2] + self.bbox_xyxy[:, 2:]) / np.float32(2)


def average_precision(
    fields: Sequence[FieldResult],
    group_of_label: NDArray[np.int64],
    max_distance_um: float | None = None,
) -> dict[int, float]:
    """101-point AP of each group of classes, all numbers 0-1.

    Args:
        fields: every field of the test set, also those without cells.
        group_of_label: (C,) which group each class counts as; below 0 it is left out. The identity
            gives AP by class; all zeros give any-cell AP.
        max_distance_um: pair by centres closer than this; by default by IoU of at least 0.5.

    Returns:
        AP by group, for the groups that have cells.

    Source: pycocotools, IoU 0.5, all areas, up to 1,000 detections a field.
    """
    curves = precision_curves(fields, group_of_label, max_distance_um)
    return {group: float(curve.mean()) for group, curve in curves.items()}


def precision_curves(
    fields: Sequence[FieldResult],
    group_of_label: NDArray[np.int64],
    max_distance_um: float | None = None,
) -> dict[int, NDArray[np.float64]]:
    """(101,) interpolated precision at recall 0, 0.01, …, 1 of each group; see the above."""
    truth, detections = _as_coco(fields, group_of_label)
    if not truth["annotations"]:
        return {}
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        results = coco.loadRes(detections) if detections else _empty_results(coco)
        judge = _make_judge(coco, results, fields, max_distance_um)
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][0, :, :, 0, 0]
    present = {annotation["category_id"] for annotation in truth["annotations"]}
    return {
        int(group): np.asarray(precision[:, column], np.float64)
        for column, group in enumerate(judge.params.catIds)
        if group in present
    }


def pair_cells(field: FieldResult, max_distance_um: float = 10.0) -> NDArray[np.int64]:
    """Cells and detections paired one to one, by least total centre distance.

    Args:
        field: detections already merged and thresholded.
        max_distance_um: pairs farther apart are none.

    Returns:
        (K, 2) int64: index of the cell, index of the detection.

    Raises:
        ValueError: the field does not state its µm/px.
    """
    if field.mpp is None:
        raise ValueError("pairing by centre distance needs the field's mpp")
    if not len(field.true_label) or not len(field.label):
        return np.zeros((0, 2), np.int64)
    distance_um = cdist(field.true_centre_xy, field.centre_xy) * field.mpp
    # Far pairs cost more than any number of near ones, so that no near pair is given up for them.
    far = max_distance_um * (1 + min(distance_um.shape))
    cost = np.where(distance_um <= max_distance_um, distance_um, far)
    cell, detection = linear_sum_assignment(cost)
    near = distance_um[cell, detection] <= max_distance_um
    return np.stack([cell[near], detection[near]], axis=1).astype(np.int64)


def confusion_matrix(fields: Sequence[FieldResult], num_classes: int) -> NDArray[np.int64]:
    """Paired cells by class, (C + 1, C + 1) int64: rows true, columns found, last = none."""
    matrix = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    for field in fields:
        pairs = pair_cells(field)
        true, detected = field.true_label.astype(np.int64), field.label.astype(np.int64)
        np.add.at(matrix, (true[pairs[:, 0]], detected[pairs[:, 1]]), 1)
        matrix[:, num_classes] += np.bincount(
            np.delete(true, pairs[:, 0]), minlength=num_classes + 1
        )
        matrix[num_classes] += np.bincount(
            np.delete(detected, pairs[:, 1]), minlength=num_classes + 1
        )
    return matrix


@dataclass(frozen=True)
class Rates:
    """Precision, recall and their harmonic mean, each 0-1; 0 where undefined."""

    precision: float
    recall: float
    f1: float


def rates_of_classes(matrix: NDArray[np.int64], positive: NDArray[np.bool_]) -> Rates:
    """How well the positive classes together are told from the rest, background included.

    Args:
        matrix: (C + 1, C + 1), from `confusion_matrix`.
        positive: (C,) which classes are positive; all of them gives detection of any cell.
    """
    chosen = np.append(positive, False)
    true_positive = int(matrix[np.ix_(chosen, chosen)].sum())
    detected, present = int(matrix[:, chosen].sum()), int(matrix[chosen].sum())
    precision = true_positive / detected if detected else 0.0
    recall = true_positive / present if present else 0.0
    total = precision + recall
    return Rates(precision, recall, 2 * precision * recall / total if total else 0.0)


def _as_coco(
    fields: Sequence[FieldResult], group_of_label: NDArray[np.int64]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image_id, field in enumerate(fields, 1):
        for box, label, centre in zip(
            field.true_bbox_xyxy, field.true_label, field.true_centre_xy, strict=True
        ):
            if group_of_label[label] >= 0:
                annotations.append(
                    _entry(image_id, box, group_of_label[label])
                    | {"id": len(annotations) + 1, "iscrowd": 0, "centre": centre}
                )
        for box, label, score in zip(field.bbox_xyxy, field.label, field.score, strict=True):
            if group_of_label[label] >= 0:
                results.append(
                    _entry(image_id, box, group_of_label[label]) | {"score": float(score)}
                )
    groups = sorted({int(group) for group in group_of_label if group >= 0})
    truth = {
        "info": {},
        "images": [{"id": image_id} for image_id in range(1, len(fields) + 1)],
        "categories": [{"id": group, "name": str(group)} for group in groups],
        "annotations": annotations,
    }
    return truth, results


def _entry(image_id: int, box: NDArray[np.float32], group: np.int64) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return {
        "image_id": image_id,
        "category_id": int(group),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
    }


def _empty_results(coco: COCO) -> COCO:
    results = COCO()
    results.dataset = coco.dataset | {"annotations": []}
    results.createIndex()
    return results


def _make_judge(
    truth: COCO, results: COCO, fields: Sequence[FieldResult], max_distance_um: float | None
) -> COCOeval:
    judge: COCOeval
    if max_distance_um is None:
        judge = COCOeval(truth, results, "bbox")
    else:
        judge = _CentreDistanceEval(truth, results, fields, max_distance_um)
    judge.params.iouThrs = np.array([0.5])
    judge.params.maxDets = [MAX_DETECTIONS]
    judge.params.areaRng = [[0, 1e10]]
    judge.params.areaRngLbl = ["all"]
    return judge


class _CentreDistanceEval(COCOeval):  # type: ignore[misc]
    """COCO's evaluation with closeness of centres in place of IoU.

    Closeness falls from 1 at the same place to 0.5, the threshold, at `max_distance_um`.
    """

    def __init__(
        self, truth: COCO, results: COCO, fields: Sequence[FieldResult], max_distance_um: float
    ) -> None:
        super().__init__(truth, results, "bbox")
        self._fields = fields
        self._max_distance_um = max_distance_um

    def computeIoU(self, image_id: int, category_id: int) -> Any:
        cells = self._gts[image_id, category_id]
        detections = self._dts[image_id, category_id]
        mpp = self._fields[image_id - 1].mpp
        if mpp is None:
            raise ValueError("AP by centre distance needs every field's mpp")
        if not cells or not detections:
            return []
        order = np.argsort([-entry["score"] for entry in detections], kind="mergesort")
        boxes = np.array([detections[index]["bbox"] for index in order[:MAX_DETECTIONS]])
        centres = boxes[:, :2] + boxes[:, 2:] / 2
        distance_um = cdist(centres, np.array([cell["centre"] for cell in cells])) * mpp
        return np.clip(1 - 0.5 * distance_um / self._max_distance_um, 0, 1)
