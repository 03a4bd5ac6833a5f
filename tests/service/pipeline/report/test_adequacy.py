"""Adequacy gives its reason, and a count alone does not stand against what contradicts it."""

import pytest

from service.pipeline.report.adequacy import judge_adequacy
from service.pipeline.report.category import Category

NONE = Category("none-supported", "no abnormal category supported", 0)
HSIL = Category("abnormal", "HSIL", 4)
EMPTY = Category("no-cells", "no cells seen", 0)


@pytest.mark.parametrize(
    ("num_cells", "category", "num_suspicious", "unreadable_mm2", "adequate", "reason"),
    [
        (0, EMPTY, 0, 0.0, False, "no-cells"),
        (4999, NONE, 0, 0.0, False, "too-few-cells"),
        (4999, NONE, 1, 0.0, False, "too-few-cells-suspicious"),
        (12, HSIL, 0, 0.0, True, "abnormal-category"),
        (12, HSIL, 0, 9.0, True, "abnormal-category"),
        (5000, NONE, 0, 0.0, True, "enough-cells"),
        (5000, NONE, 0, 7.4, True, "enough-cells"),
        (5000, NONE, 0, 7.6, False, "mostly-not-read"),
        (60_000, NONE, 250, 0.0, True, "enough-cells-suspicious"),
    ],
)
def test_the_reason_decides(
    num_cells: int,
    category: Category,
    num_suspicious: int,
    unreadable_mm2: float,
    adequate: bool,
    reason: str,
) -> None:
    adequacy = judge_adequacy(num_cells, category, num_suspicious, 10.0, unreadable_mm2)
    assert (adequacy.adequate, adequacy.reason) == (adequate, reason)


def test_suspicious_cells_are_in_the_words() -> None:
    adequacy = judge_adequacy(60_000, NONE, 250, 10.0, 0.0)
    assert "suspicious cells to review: 250" in adequacy.reason_text


def test_a_slide_without_tissue_is_judged_too() -> None:
    assert judge_adequacy(0, EMPTY, 0, 0.0, 0.0).reason == "no-cells"
