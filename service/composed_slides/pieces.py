"""Rectangles cut from labelled fields, with the cells that are there and those that were found.

Clean pieces hold no labelled abnormal cell nor come near one; the others are cut around one each.
Shape letters: P pieces, C classes, K looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.classes import CellClass
from service.composed_slides.looks import SeenField
from service.errors import DatasetError

#: A clean piece keeps this far from the box of every abnormal cell.
MARGIN_UM = 15.0
#: Of so many random rectangles of a field the clean ones are kept: the more room, the more pieces.
CLEAN_SIDE_UM, CLEAN_TRIES = (60.0, 160.0), 100
ANCHORED_SIDE_UM, ANCHORED_PIECES = (40.0, 120.0), 4
CLEAN = -1


@dataclass(frozen=True)
class Pieces:
    """P pieces.

    Attributes:
        field_index: (P,) int64, into the fields that they were cut from.
        xyxy_um: (P, 4) float64, from the field's top left corner.
        anchor: (P,) int64, label of the abnormal cell that it was cut around; `CLEAN` for none.
        negative_field: (P,) bool, whether the whole field holds no abnormal cell.
        true: (P, C) int64, labelled cells by class; a cell lies where its centre is.
        found: (K, P, C) int64, detections by look and class.
    """

    field_index: NDArray[np.int64]
    xyxy_um: NDArray[np.float64]
    anchor: NDArray[np.int64]
    negative_field: NDArray[np.bool_]
    true: NDArray[np.int64]
    found: NDArray[np.int64]


def cut_pieces(seen: Sequence[SeenField], classes: Sequence[CellClass], seed: int = 0) -> Pieces:
    """Pieces of all fields: clean ones where there is room, four around every abnormal cell.

    Raises:
        DatasetError: there is nothing clean, or nothing abnormal, or all classes are of one side.
    """
    rng = np.random.default_rng(seed)
    abnormal = np.array([one.is_abnormal for one in classes])
    if abnormal.all() or not abnormal.any():
        known = ", ".join(f"{one.name} {one.severity}" for one in classes)
        raise DatasetError(
            f"slides cannot be composed of classes of one side alone (severities: {known}): 0 is "
            "negative, more is abnormal; change it in the categories of annotations.json"
        )
    parts = []
    for index, one in enumerate(seen):
        is_abnormal = abnormal[one.field.label]
        clean = _cut_clean(one, one.true_bbox_um[is_abnormal], rng)
        around = _cut_around(one, one.true_xy_um[is_abnormal], rng)
        anchor = np.concatenate(
            [np.full(len(clean), CLEAN), np.repeat(one.field.label[is_abnormal], ANCHORED_PIECES)]
        )
        xyxy_um = np.concatenate([clean, around])
        negative = np.full(len(xyxy_um), not is_abnormal.any())
        parts.append(_count(one, index, xyxy_um, anchor, negative, len(classes)))
    pieces = Pieces(
        np.concatenate([part.field_index for part in parts]),
        np.concatenate([part.xyxy_um for part in parts]),
        np.concatenate([part.anchor for part in parts]),
        np.concatenate([part.negative_field for part in parts]),
        np.concatenate([part.true for part in parts]),
        np.concatenate([part.found for part in parts], axis=1),
    )
    is_clean = pieces.anchor == CLEAN
    for missing, what in ((not is_clean.any(), "clean"), (is_clean.all(), "abnormal")):
        if missing:
            raise DatasetError(
                f"{len(seen)} fields hold nothing {what} to compose slides from: give more fields"
            )
    return pieces


def _cut_clean(
    seen: SeenField, abnormal_bbox_um: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(N, 4) random rectangles clear of abnormal cells."""
    size = np.array(seen.size_um)
    sides = np.minimum(rng.uniform(*CLEAN_SIDE_UM, (CLEAN_TRIES, 2)), size)
    corner = rng.uniform(0, 1, (CLEAN_TRIES, 2)) * (size - sides)
    tried = np.hstack([corner, corner + sides])
    low = abnormal_bbox_um[:, :2] - MARGIN_UM
    high = abnormal_bbox_um[:, 2:] + MARGIN_UM
    overlaps = (tried[:, None, :2] < high) & (tried[:, None, 2:] > low)
    meets = np.all(overlaps, axis=2)
    return np.asarray(tried[~np.any(meets, axis=1)], np.float64)


def _cut_around(
    seen: SeenField, centre_um: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(N * ANCHORED_PIECES, 4) rectangles that hold these cells, somewhere near their middle."""
    size = np.array(seen.size_um)
    centre = np.repeat(centre_um, ANCHORED_PIECES, axis=0)
    sides = np.minimum(rng.uniform(*ANCHORED_SIDE_UM, centre.shape), size)
    corner = centre - sides * rng.uniform(0.25, 0.75, centre.shape)
    corner = np.clip(corner, 0, size - sides)
    return np.hstack([corner, corner + sides])


def _count(
    seen: SeenField,
    index: int,
    xyxy_um: NDArray[np.float64],
    anchor: NDArray[np.int64],
    negative: NDArray[np.bool_],
    num_classes: int,
) -> Pieces:
    return Pieces(
        np.full(len(xyxy_um), index),
        xyxy_um,
        anchor.astype(np.int64),
        negative,
        _count_inside(seen.true_xy_um, seen.field.label, xyxy_um, num_classes),
        np.stack([_count_inside(one.xy_um, one.label, xyxy_um, num_classes) for one in seen.found]),
    )


def _count_inside(
    xy_um: NDArray[np.float64],
    label: NDArray[np.int16],
    xyxy_um: NDArray[np.float64],
    num_classes: int,
) -> NDArray[np.int64]:
    """(P, C) points by class whose place lies in each rectangle."""
    between = (xy_um >= xyxy_um[:, None, :2]) & (xy_um < xyxy_um[:, None, 2:])
    inside = np.all(between, axis=2).astype(np.int64)
    one_hot = label[:, None] == np.arange(num_classes)
    return np.asarray(inside @ one_hot.astype(np.int64), np.int64)
