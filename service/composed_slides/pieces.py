"""Rectangles cut from labelled fields, with the cells labelled and those detected there.

Clean pieces hold no labelled abnormal cell nor come near one; the others are cut around one each.
Shape letters: P pieces, C classes, K augmentations, Q certainty powers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.classes import CellClass
from service.composed_slides.detected_fields import DetectedField
from service.errors import DatasetError

#: A clean piece keeps this far from the box of every abnormal cell.
MARGIN_UM = 15.0
#: Of so many random rectangles of a field the clean ones are kept: the more room, the more pieces.
CLEAN_SIDE_UM, CLEAN_TRIES = (60.0, 160.0), 100
ANCHORED_SIDE_UM, ANCHORED_PIECES = (40.0, 120.0), 4
CLEAN = -1
#: Powers of a score that the slide score may weigh a cell by; 0 counts every cell alike.
CERTAINTY_POWERS = (0.0, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Pieces:
    """P pieces.

    Attributes:
        field_index: (P,) int64, into the fields that they were cut from.
        xyxy_um: (P, 4) float64, from the field's top left corner.
        anchor: (P,) int64, label of the abnormal cell that it was cut around; `CLEAN` for none.
        negative_field: (P,) bool, whether the whole field holds no abnormal cell.
        true: (P, C) int64, labelled cells by class; a cell lies where its centre is.
        detected: (K, P, C) int64, detections by augmentation and class.
        mass: (Q, K, P, C) float64, sums of score ** power over them, for each power.
        powers: Q certainty powers.
    """

    field_index: NDArray[np.int64]
    xyxy_um: NDArray[np.float64]
    anchor: NDArray[np.int64]
    negative_field: NDArray[np.bool_]
    true: NDArray[np.int64]
    detected: NDArray[np.int64]
    mass: NDArray[np.float64]
    powers: tuple[float, ...]


def cut_pieces(
    detected: Sequence[DetectedField],
    classes: Sequence[CellClass],
    powers: tuple[float, ...] = CERTAINTY_POWERS,
    seed: int = 0,
) -> Pieces:
    """Pieces of all fields: clean ones where there is room, four around every abnormal cell.

    Args:
        detected: the fields.
        classes: in label order.
        powers: of a cell's score that sums are kept of.
        seed: of where pieces lie.

    Raises:
        DatasetError: there is nothing clean, or nothing abnormal, or all classes are of one side.
    """
    rng = np.random.default_rng(seed)
    abnormal = np.array([each.is_abnormal for each in classes])
    if abnormal.all() or not abnormal.any():
        known = ", ".join(f"{each.name} {each.severity}" for each in classes)
        raise DatasetError(
            f"slides cannot be composed of classes of one side alone (severities: {known}): 0 is "
            "negative, more is abnormal; change it in the categories of annotations.json"
        )
    pieces = _join(
        [_cut_field(field, index, abnormal, powers, rng) for index, field in enumerate(detected)]
    )
    is_clean = pieces.anchor == CLEAN
    for missing, what in ((not is_clean.any(), "clean"), (is_clean.all(), "abnormal")):
        if missing:
            raise DatasetError(
                f"{len(detected)} fields hold nothing {what} to compose slides from: give more "
                "fields"
            )
    return pieces


def _cut_field(
    field: DetectedField,
    index: int,
    abnormal: NDArray[np.bool_],
    powers: tuple[float, ...],
    rng: np.random.Generator,
) -> Pieces:
    """The pieces of one field; `abnormal` is (C,)."""
    is_abnormal = abnormal[field.field.label]
    clean = _cut_clean(field, field.true_bbox_um[is_abnormal], rng)
    around = _cut_around(field, field.true_xy_um[is_abnormal], rng)
    anchor = np.concatenate(
        [np.full(len(clean), CLEAN), np.repeat(field.field.label[is_abnormal], ANCHORED_PIECES)]
    )
    xyxy_um, num_classes = np.concatenate([clean, around]), len(abnormal)
    return Pieces(
        field_index=np.full(len(xyxy_um), index),
        xyxy_um=xyxy_um,
        anchor=anchor.astype(np.int64),
        negative_field=np.full(len(xyxy_um), not is_abnormal.any()),
        true=_sum_inside(field.true_xy_um, field.field.label, xyxy_um, num_classes).astype(
            np.int64
        ),
        detected=np.stack(
            [
                _sum_inside(cells.xy_um, cells.label, xyxy_um, num_classes).astype(np.int64)
                for cells in field.by_augmentation
            ]
        ),
        mass=np.stack(
            [
                [
                    _sum_inside(
                        cells.xy_um,
                        cells.label,
                        xyxy_um,
                        num_classes,
                        cells.score.astype(np.float64) ** power,
                    )
                    for cells in field.by_augmentation
                ]
                for power in powers
            ]
        ),
        powers=powers,
    )


def _join(parts: Sequence[Pieces]) -> Pieces:
    """The pieces of all fields, in order."""
    return Pieces(
        field_index=np.concatenate([part.field_index for part in parts]),
        xyxy_um=np.concatenate([part.xyxy_um for part in parts]),
        anchor=np.concatenate([part.anchor for part in parts]),
        negative_field=np.concatenate([part.negative_field for part in parts]),
        true=np.concatenate([part.true for part in parts]),
        detected=np.concatenate([part.detected for part in parts], axis=1),
        mass=np.concatenate([part.mass for part in parts], axis=2),
        powers=parts[0].powers,
    )


def _cut_clean(
    field: DetectedField, abnormal_bbox_um: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(N, 4) random rectangles clear of abnormal cells."""
    size = np.array(field.size_um)
    sides = np.minimum(rng.uniform(*CLEAN_SIDE_UM, (CLEAN_TRIES, 2)), size)
    corner = rng.uniform(0, 1, (CLEAN_TRIES, 2)) * (size - sides)
    tried = np.hstack([corner, corner + sides])
    low = abnormal_bbox_um[:, :2] - MARGIN_UM
    high = abnormal_bbox_um[:, 2:] + MARGIN_UM
    overlaps = (tried[:, None, :2] < high) & (tried[:, None, 2:] > low)
    meets = np.all(overlaps, axis=2)
    return np.asarray(tried[~np.any(meets, axis=1)], np.float64)


def _cut_around(
    field: DetectedField, centre_um: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(N * ANCHORED_PIECES, 4) rectangles that hold these cells, somewhere near their middle."""
    size = np.array(field.size_um)
    centre = np.repeat(centre_um, ANCHORED_PIECES, axis=0)
    sides = np.minimum(rng.uniform(*ANCHORED_SIDE_UM, centre.shape), size)
    corner = centre - sides * rng.uniform(0.25, 0.75, centre.shape)
    corner = np.clip(corner, 0, size - sides)
    return np.hstack([corner, corner + sides])


def _sum_inside(
    xy_um: NDArray[np.float64],
    label: NDArray[np.int16],
    xyxy_um: NDArray[np.float64],
    num_classes: int,
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """(P, C) points by class whose place lies in each rectangle, counted or their weights added."""
    between = (xy_um >= xyxy_um[:, None, :2]) & (xy_um < xyxy_um[:, None, 2:])
    inside = np.all(between, axis=2).astype(np.float64)
    by_class = (label[:, None] == np.arange(num_classes)).astype(np.float64)
    if weight is not None:
        by_class *= weight[:, None]
    return np.asarray(inside @ by_class, np.float64)
