"""Filters leave what was asked for, and wrong ones are named with what is right."""

import numpy as np
import pytest

from models.classes import BETHESDA
from service.errors import InvalidRequestError
from service.exports.filters import read_filters
from service.pipeline.types import CellRecords


def kept(chunks: list[CellRecords], **wanted: object) -> int:
    asked = {"label": [], "min_score": None, "bbox": None} | wanted
    filters = read_filters(**asked, classes=BETHESDA)  # type: ignore[arg-type]
    return sum(len(chunk) for chunk in filters.keep(chunks))


def test_nothing_asked_keeps_everything(chunks: list[CellRecords]) -> None:
    assert kept(chunks) == 12


@pytest.mark.parametrize("label", [["NILM,HSIL"], ["NILM", "HSIL"], [" NILM , HSIL "]])
def test_classes_by_name(chunks: list[CellRecords], label: list[str]) -> None:
    expected = sum(int(np.isin(chunk.detections.label, [0, 4]).sum()) for chunk in chunks)
    assert kept(chunks, label=label) == expected


def test_score_from_its_own_value_on(chunks: list[CellRecords]) -> None:
    assert kept(chunks, min_score=0.9) == 2
    assert kept(chunks, min_score=0.0) == 12


def test_cells_whose_centre_is_inside(chunks: list[CellRecords]) -> None:
    assert kept(chunks, bbox="240,240,241,241") == 1
    assert kept(chunks, bbox="0,0,240,5000") == 0


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"label": ["AGC"]}, "'AGC' is no class of this detector: it has NILM"),
        ({"min_score": 1.5}, r"min_score=1\.5"),
        ({"min_score": float("nan")}, "min_score=nan"),
        ({"bbox": "1,2,3"}, "four numbers"),
        ({"bbox": "a,b,c,d"}, "four numbers"),
        ({"bbox": "0,0,1_0,9"}, "four numbers"),
        ({"bbox": "0,0,1e999,9"}, "x1 < x2"),
        ({"bbox": "5,5,1,9"}, "x1 < x2"),
        ({"bbox": "0,0,nan,9"}, "four numbers"),
    ],
)
def test_wrong_filters_are_named(
    chunks: list[CellRecords], wanted: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        kept(chunks, **wanted)
