"""A new detector's coefficients come with their figures, and with a warning where they are poor."""

from dataclasses import asdict

import numpy as np
import pytest

from models.bundle.description import SlideScoreCoefficients
from models.data.coco import FieldSet
from service.composed_slides import coefficients, cross_fit, fit, judge
from service.composed_slides.coefficients import find_coefficients, thin_out
from tests.service.composed_slides.conftest import SpotDetector


@pytest.fixture(autouse=True)
def _few_slides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "NUM_SLIDES", 200)
    monkeypatch.setattr(fit, "PRIOR_TOTALS", (10.0,))
    monkeypatch.setattr(cross_fit, "NUM_PARTS", 2)
    monkeypatch.setattr(cross_fit, "GRADE_FACTORS", (1.0,))
    monkeypatch.setattr(judge, "SIZES", (30, 300))
    monkeypatch.setattr(judge, "SHARES", (0.02, 0.5))


def test_a_detector_wrong_under_changed_light_alone_tells_slides_apart_without_a_warning(
    fields: FieldSet,
) -> None:
    warned: list[str] = []
    fitted = find_coefficients(SpotDetector(), fields, warned.append)
    SlideScoreCoefficients(**asdict(fitted.model))
    assert fitted.figures["margins"][0] <= 0.5
    assert fitted.figures["auc"] > 0.85
    assert warned == []


def test_too_few_low_negative_slides_are_warned_of(
    fields: FieldSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coefficients, "LOW_SHARE", 1.01)
    warned: list[str] = []
    find_coefficients(SpotDetector(), fields, warned.append)
    assert len(warned) == 1
    assert "hold out more fields" in warned[0]


def test_a_large_fold_is_thinned_out_evenly_over_grades(fields: FieldSet) -> None:
    few = thin_out(fields, 12)
    assert len({field.path for field in few.fields}) == 12
    negative = [np.mean([not field.label.any() for field in each.fields]) for each in (fields, few)]
    assert negative[1] == pytest.approx(negative[0], abs=0.1)
    assert thin_out(fields, 24) is fields


def test_how_far_it_is_is_told(fields: FieldSet) -> None:
    told: list[tuple[int, int]] = []
    find_coefficients(
        SpotDetector(),
        fields,
        lambda line: None,
        lambda detected, total: told.append((detected, total)),
    )
    assert told == [(number, 24) for number in range(1, 25)]
