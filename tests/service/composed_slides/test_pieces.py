"""Pieces count what lies in them; clean ones stay clear of every abnormal cell."""

from dataclasses import replace

import numpy as np
import pytest

from models.classes import BETHESDA
from service.composed_slides.detected_fields import DetectedField
from service.composed_slides.pieces import ANCHORED_PIECES, CLEAN, MARGIN_UM, Pieces, cut_pieces
from service.errors import DatasetError


def test_clean_pieces_come_no_nearer_to_abnormal_cells_than_the_margin(
    detected: list[DetectedField], pieces: Pieces
) -> None:
    for index in np.flatnonzero(pieces.anchor == CLEAN):
        field = detected[pieces.field_index[index]]
        boxes = field.true_bbox_um[field.field.label > 0]
        x1, y1, x2, y2 = pieces.xyxy_um[index]
        apart_x = np.maximum(boxes[:, 0] - x2, x1 - boxes[:, 2])
        apart_y = np.maximum(boxes[:, 1] - y2, y1 - boxes[:, 3])
        assert (np.maximum(apart_x, apart_y) >= MARGIN_UM - 1e-6).all()
        assert not pieces.true[index, 1:].any()


def test_pieces_lie_inside_their_fields(detected: list[DetectedField], pieces: Pieces) -> None:
    size = np.array([field.size_um for field in detected])[pieces.field_index]
    assert (pieces.xyxy_um[:, :2] >= 0).all()
    assert (pieces.xyxy_um[:, 2:] <= size + 1e-9).all()
    assert (pieces.xyxy_um[:, 2:] > pieces.xyxy_um[:, :2]).all()


def test_every_abnormal_cell_has_its_pieces_and_is_in_them(
    detected: list[DetectedField], pieces: Pieces
) -> None:
    anchored = np.flatnonzero(pieces.anchor != CLEAN)
    assert len(anchored) == ANCHORED_PIECES * sum(
        (field.field.label > 0).sum() for field in detected
    )
    assert (pieces.true[anchored, pieces.anchor[anchored]] >= 1).all()


def test_counts_are_those_of_a_plain_loop(detected: list[DetectedField], pieces: Pieces) -> None:
    for index in range(0, len(pieces.anchor), 97):
        field = detected[pieces.field_index[index]]
        x1, y1, x2, y2 = pieces.xyxy_um[index]
        for augmentation, cells in enumerate(field.by_augmentation):
            counts, squares = [0] * len(BETHESDA), [0.0] * len(BETHESDA)
            for (x, y), label, score in zip(cells.xy_um, cells.label, cells.score, strict=True):
                inside = x1 <= x < x2 and y1 <= y < y2
                counts[label] += inside
                squares[label] += inside * float(score) ** 2
            assert pieces.detected[augmentation, index].tolist() == counts
            np.testing.assert_allclose(pieces.mass[0, augmentation, index], counts)
            np.testing.assert_allclose(pieces.mass[2, augmentation, index], squares)


def test_fields_without_abnormal_cells_compose_no_slides(detected: list[DetectedField]) -> None:
    negative = [field for field in detected if not field.field.label.any()]
    with pytest.raises(DatasetError, match="abnormal"):
        cut_pieces(negative, BETHESDA)


@pytest.mark.parametrize("severity", [0, 2])
def test_classes_of_one_side_alone_compose_no_slides(
    detected: list[DetectedField], severity: int
) -> None:
    classes = [replace(each, severity=severity) for each in BETHESDA]
    with pytest.raises(DatasetError, match=rf"one side alone \(severities: NILM {severity}, "):
        cut_pieces(detected, classes)
