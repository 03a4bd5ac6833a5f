"""Cells of fields are detected as the product counts them, and parts of them share none."""

from dataclasses import replace

import numpy as np
import pytest

from models.classes import BETHESDA
from models.data.coco import FieldSet
from service.composed_slides.detected_fields import DetectedField, detect_fields, split_parts
from service.errors import DatasetError
from tests.service.composed_slides.conftest import SpotDetector


def test_a_right_detector_finds_every_cell_where_it_is(fields: FieldSet) -> None:
    few = FieldSet(fields.fields[:3], fields.classes)
    told: list[int] = []
    detected = detect_fields(
        SpotDetector(), few, num_augmentations=2, on_field=lambda: told.append(1)
    )
    for field in detected:
        assert len(field.by_augmentation) == 2
        cells = field.by_augmentation[0]
        order = np.lexsort(cells.xy_um.round(-1).T)
        true = np.lexsort(field.true_xy_um.round(-1).T)
        assert np.abs(cells.xy_um[order] - field.true_xy_um[true]).max() < 1.0
        assert (cells.label[order] == field.field.label[true]).all()
    assert len(told) == 3


@pytest.mark.parametrize("num_parts", [2, 3, 4])
def test_parts_share_no_field_and_lose_none(detected: list[DetectedField], num_parts: int) -> None:
    parts = split_parts(detected, BETHESDA, num_parts)
    paths = [field.field.path for part in parts for field in part]
    assert sorted(paths) == sorted(field.field.path for field in detected)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_every_part_has_fields_with_and_without_abnormal_cells(
    detected: list[DetectedField],
) -> None:
    for part in split_parts(detected, BETHESDA, 4):
        abnormal = [bool(field.field.label.any()) for field in part]
        assert any(abnormal)
        assert not all(abnormal)


def test_too_few_fields_are_refused(detected: list[DetectedField]) -> None:
    with pytest.raises(DatasetError, match="more fields"):
        split_parts(detected[:3], BETHESDA, 4)


def name_slides(detected: list[DetectedField]) -> list[DetectedField]:
    """The same fields, every four of which are of one slide."""
    return [
        replace(each, field=replace(each.field, slide=f"slide {index // 4}"))
        for index, each in enumerate(detected)
    ]


@pytest.mark.parametrize("num_parts", [2, 3, 6])
def test_fields_of_one_slide_stay_in_one_part(
    detected: list[DetectedField], num_parts: int
) -> None:
    of_slides = name_slides(detected)
    parts = split_parts(of_slides, BETHESDA, num_parts)
    assert sum(len(part) for part in parts) == len(detected)
    slides = [{field.slide for field in part} for part in parts]
    for index, own in enumerate(slides):
        for other in slides[index + 1 :]:
            assert not own & other


def test_parts_need_as_many_slides(detected: list[DetectedField]) -> None:
    of_slides = name_slides(detected)
    with pytest.raises(DatasetError, match="of 6 slides cannot be split in 7 parts"):
        split_parts(of_slides, BETHESDA, 7)
