"""Coefficients are fitted on some fields and judged on others, counts alone beside them."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest

from models.bundle.description import SlideScoreCoefficients
from models.classes import BETHESDA, CellClass
from service.composed_slides import cross_fit as cross_fit_module
from service.composed_slides import fit
from service.composed_slides.cross_fit import cross_fit, judge_shipped, list_severe_forms
from service.composed_slides.detected_fields import DetectedField
from service.composed_slides.judge import mean_figures
from service.composed_slides.margins import LOW_SHARE

WEIGHTS = (0.0, 0.3, 0.6, 0.8, 1.0, 1.0)


@pytest.fixture(autouse=True)
def _few_slides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "NUM_SLIDES", 300)
    monkeypatch.setattr(fit, "PRIOR_TOTALS", (10.0, 100.0))
    monkeypatch.setattr(cross_fit_module, "NUM_PARTS", 2)
    monkeypatch.setattr(cross_fit_module, "GRADE_FACTORS", (1.0, 0.25))


def test_more_is_found_than_by_counts_alone_at_the_same_false_alarms(
    detected: Sequence[DetectedField],
) -> None:
    fitted = cross_fit(detected, BETHESDA, WEIGHTS, num_each=40)
    assert fitted.model.severe is not None
    counts, taken = fitted.counts_alone.found_by_share, fitted.figures.found_by_share
    few = [share for share in taken if share <= 0.05]
    assert sum(taken[share] for share in few) > sum(counts[share] for share in few) + 0.1
    # The mean over parts of what holds for all of them together, at rounded coefficients.
    for figures in (fitted.counts_alone, fitted.figures):
        assert min(figures.negative_low_by_size.values()) >= LOW_SHARE - 0.01


def test_coefficients_are_a_part_of_a_bundle_and_can_be_judged_as_shipped(
    detected: Sequence[DetectedField],
) -> None:
    fitted = cross_fit(detected, BETHESDA, WEIGHTS, num_each=20)
    content = SlideScoreCoefficients.model_validate(asdict(fitted.model))
    assert content.model() == fitted.model
    assert fitted.model.class_weights == WEIGHTS
    shipped = judge_shipped(detected, BETHESDA, fitted.model, num_each=20)
    assert shipped.auc > 0.9
    assert mean_figures([shipped, shipped]) == shipped
    assert set(fitted.to_json()["auc_by_share"]) >= {"0.005", "0.5"}


def test_a_power_of_another_bundle_can_be_judged(detected: Sequence[DetectedField]) -> None:
    model = cross_fit(detected, BETHESDA, WEIGHTS, num_each=20).model
    assert model.severe is not None
    odd = replace(model, certainty_power=0.6, severe=replace(model.severe, certainty_power=1.37))
    assert 0.5 < judge_shipped(detected, BETHESDA, odd, num_each=20).auc <= 1


def test_severe_forms_never_fall_with_severity_and_are_zero_for_negative() -> None:
    forms = list_severe_forms(BETHESDA)
    assert len(set(forms)) == len(forms) > 10
    for form in forms:
        assert form.class_weights[0] == 0
        assert form.class_weights[-1] == 1
        assert list(form.class_weights) == sorted(form.class_weights)


def test_two_classes_have_severe_forms_too() -> None:
    classes = (CellClass("calm", (0, 0, 0), 0), CellClass("odd", (1, 1, 1), 7))
    assert {form.class_weights for form in list_severe_forms(classes)} == {(0.0, 1.0)}


def test_a_detector_without_a_cell_is_fitted_too(detected: Sequence[DetectedField]) -> None:
    blind = [
        replace(
            field,
            by_augmentation=tuple(
                replace(cells, xy_um=cells.xy_um[:0], label=cells.label[:0], score=cells.score[:0])
                for cells in field.by_augmentation
            ),
        )
        for field in detected
    ]
    model = cross_fit(blind, BETHESDA, WEIGHTS, num_each=20).model
    assert model.severe is None
    assert np.isfinite([model.intercept, model.slope]).all()
    assert min(model.category_min_fractions) > 0
