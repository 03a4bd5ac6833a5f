"""Reports that an earlier version kept are read without what was wrong in them."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from models.classes import BETHESDA, CellClass
from service.pipeline.report.stored import read_report


@pytest.fixture
def first_form() -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(Path(__file__).with_name("first_form.json").read_text())
    return stored


def read_bethesda() -> tuple[CellClass, ...]:
    return BETHESDA


def test_nilm_named_from_silence_is_taken_back(first_form: dict[str, Any]) -> None:
    report = read_report(first_form, read_bethesda)
    assert report.category == "no abnormal category supported"
    assert [(each.class_name, each.count, each.cells) for each in report.suspicious] == [
        ("HSIL", 250, ())
    ]
    assert report.adequacy.reason == "enough-cells-suspicious"
    assert report.abnormality_score == 0.001
    assert [flag.code for flag in report.quality] == ["earlier-report"]
    assert report.provenance.slide.width == 46000


def test_zero_of_a_slide_without_cells_is_taken_back(first_form: dict[str, Any]) -> None:
    first_form |= {"num_cells": 0, "abnormality_score": 0.0, "category": "no cells seen"}
    first_form["counts"] = dict.fromkeys(first_form["counts"], 0)
    report = read_report(first_form, read_bethesda)
    assert report.abnormality_score is None
    assert report.category_code == "no-cells"


def test_an_abnormal_category_stays_and_worse_cells_are_listed(first_form: dict[str, Any]) -> None:
    first_form["category"] = "LSIL"
    first_form["counts"] |= {"ASC-US": 9, "LSIL": 400, "SCC": 2}
    report = read_report(first_form, read_bethesda)
    assert (report.category, report.category_code) == ("LSIL", "abnormal")
    assert [(each.class_name, each.count) for each in report.suspicious] == [
        ("SCC", 2),
        ("HSIL", 250),
    ]


def test_classes_of_ones_own_are_judged_by_their_severity(first_form: dict[str, Any]) -> None:
    classes = (CellClass("calm", (0, 0, 0), 0), CellClass("odd", (1, 1, 1), 1))
    first_form |= {"counts": {"calm": 9000, "odd": 3}, "num_cells": 9003, "category": "calm"}
    report = read_report(first_form, lambda: classes)
    assert report.category_code == "none-supported"
    assert [(each.class_name, each.count) for each in report.suspicious] == [("odd", 3)]


def test_a_report_of_an_unknown_format_is_refused(first_form: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="cytolibra-report-2"):
        read_report({**first_form, "format": "cytolibra-report-9"}, read_bethesda)
