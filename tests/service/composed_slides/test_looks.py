"""Fields are seen as the product counts them, and parts of them share none."""

import numpy as np
import pytest

from models.classes import BETHESDA
from models.data.coco import FieldSet
from service.composed_slides.looks import SeenField, see_fields, split_parts
from service.errors import DatasetError
from tests.service.composed_slides.conftest import SpotDetector


def test_a_right_detector_finds_every_cell_where_it_is(fields: FieldSet) -> None:
    few = FieldSet(fields.fields[:3], fields.classes)
    told: list[int] = []
    for one in see_fields(SpotDetector(), few, num_looks=2, on_field=lambda: told.append(1)):
        assert len(one.found) == 2
        order = np.lexsort(one.found[0].xy_um.round(-1).T)
        true = np.lexsort(one.true_xy_um.round(-1).T)
        assert np.abs(one.found[0].xy_um[order] - one.true_xy_um[true]).max() < 1.0
        assert (one.found[0].label[order] == one.field.label[true]).all()
    assert len(told) == 3


@pytest.mark.parametrize("num_parts", [2, 3, 4])
def test_parts_share_no_field_and_lose_none(seen: list[SeenField], num_parts: int) -> None:
    parts = split_parts(seen, BETHESDA, num_parts)
    paths = [one.field.path for part in parts for one in part]
    assert sorted(paths) == sorted(one.field.path for one in seen)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_every_part_has_fields_with_and_without_abnormal_cells(seen: list[SeenField]) -> None:
    for part in split_parts(seen, BETHESDA, 4):
        abnormal = [bool(one.field.label.any()) for one in part]
        assert any(abnormal)
        assert not all(abnormal)


def test_too_few_fields_are_refused(seen: list[SeenField]) -> None:
    with pytest.raises(DatasetError, match="more fields"):
        split_parts(seen[:3], BETHESDA, 4)
