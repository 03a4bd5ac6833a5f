"""AUC of whole fields: what a detector reports on them, and the order it puts them in."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.whole_fields import FieldCount, count_fields, summarise
from models.errors import DatasetError
from tests.fake_detector import FakeDetector


def make_count(field_class: str, expected: float, num: int = 3) -> FieldCount:
    return FieldCount("field.jpg", field_class, 10, num, expected)


def test_fields_in_the_right_order_have_an_auc_of_1() -> None:
    counts = [make_count("NILM", 0.1), make_count("NILM", 0.2), make_count("HSIL", 0.3)]
    assert summarise(counts)["auc_expected_abnormal"] == 1.0


def test_a_tie_counts_half() -> None:
    counts = [make_count("NILM", 0.1), make_count("LSIL", 0.1), make_count("SCC", 0.9)]
    figures = summarise(counts)
    assert figures["auc_expected_abnormal"] == 0.75
    assert figures["auc_num_abnormal"] == 0.5


def test_fields_of_one_side_are_refused() -> None:
    with pytest.raises(DatasetError, match="1 fields are NILM and 0 are not"):
        summarise([make_count("NILM", 0.1)])


def test_cells_are_counted_by_side_on_every_field(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        assert cv2.imwrite(str(tmp_path / name), np.full((64, 96, 3), 200, np.uint8))
    entries = [{"file_name": "a.png", "class": "NILM"}, {"file_name": "b.png", "class": "HSIL"}]
    (tmp_path / "fields.json").write_text(json.dumps(entries))
    boxes = np.array([[0, 0, 20, 20], [30, 0, 50, 20], [60, 30, 80, 50]], np.float32)
    detector = FakeDetector(
        boxes, np.array([0, 4, 2], np.int16), np.array([0.9, 0.5, 0.25], np.float32)
    )
    counts = count_fields(detector, tmp_path, mpp=0.5)
    assert [count.field_class for count in counts] == ["NILM", "HSIL"]
    assert counts[0].num_cells == 3
    assert counts[0].num_abnormal == 2
    assert counts[0].expected_abnormal == 0.75
