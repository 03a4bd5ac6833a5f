"""A fit of the slide score that takes seconds: few, small slides and few choices."""

import pytest

from service.composed_slides import cross_fit, fit, judge


def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the test ends; eight fields, half of them without abnormal cells, then suffice."""
    monkeypatch.setattr(fit, "NUM_SLIDES", 100)
    monkeypatch.setattr(fit, "PRIOR_TOTALS", (10.0,))
    monkeypatch.setattr(cross_fit, "NUM_PARTS", 2)
    monkeypatch.setattr(cross_fit, "GRADE_FACTORS", (1.0,))
    monkeypatch.setattr(judge, "SIZES", (30, 300))
    monkeypatch.setattr(judge, "SHARES", (0.02, 0.5))
