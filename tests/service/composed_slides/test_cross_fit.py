"""The fitted score tells slides apart by the product's own formula, and only rises with grade."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle.description import SlideScoreCoefficients
from models.classes import BETHESDA
from service.composed_slides import cross_fit as cross_fit_module
from service.composed_slides import fit
from service.composed_slides.cross_fit import cross_fit, judge_shipped
from service.composed_slides.fit import (
    area_under_curve,
    draw_slides_to_fit,
    fit_slide_score,
    list_weights,
)
from service.composed_slides.judge import draw_trial, judge_slide_score, mean_figures
from service.composed_slides.looks import SeenField
from service.composed_slides.pieces import Pieces
from service.pipeline.report.score import abnormality_score
from service.pipeline.types import SlideScoreModel

WEIGHTS = (0.0, 0.3, 0.6, 0.8, 1.0, 1.0)
#: Sums of counts in another order differ in their last digits.
ROUNDING = 1e-12


@pytest.fixture(autouse=True)
def _few_slides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "NUM_SLIDES", 300)


@pytest.fixture(scope="session")
def model(pieces: Pieces) -> SlideScoreModel:
    return fit_slide_score(draw_slides_to_fit(pieces, BETHESDA), BETHESDA, WEIGHTS, 0.15)


def test_the_fit_keeps_the_weights_given_and_is_a_valid_part_of_a_bundle(
    model: SlideScoreModel,
) -> None:
    assert model.class_weights == WEIGHTS
    SlideScoreCoefficients(**asdict(model))


def test_negative_slides_of_other_draws_score_low_and_abnormal_ones_high(
    pieces: Pieces, model: SlideScoreModel
) -> None:
    figures = judge_slide_score(draw_trial(pieces, BETHESDA, 9, num_each=40), BETHESDA, model)
    assert min(figures.negative_low_by_size.values()) >= 0.9
    assert figures.auc > 0.95
    assert figures.auc_by_share[0.5] > 0.98
    assert figures.found_by_share[0.5] > 0.95
    assert figures.category_near >= figures.category_agrees > 0.3


def test_a_detector_that_finds_nothing_is_fitted_too(pieces: Pieces) -> None:
    slides = draw_slides_to_fit(pieces, BETHESDA)
    blind = replace(slides, found=np.zeros_like(slides.found))
    fitted = fit_slide_score(blind, BETHESDA, WEIGHTS, 0.0)
    assert np.isfinite([fitted.intercept, fitted.slope]).all()
    assert min(fitted.category_min_fractions) > 0


def test_a_slide_of_nothing_but_the_worst_cells_scores_near_one(model: SlideScoreModel) -> None:
    assert abnormality_score(np.array([0, 0, 0, 0, 0, 500]), model) > 0.9
    assert abnormality_score(np.array([500, 0, 0, 0, 0, 0]), model) < 0.1


@given(
    counts=st.lists(st.integers(0, 500), min_size=6, max_size=6).filter(lambda one: sum(one) > 0),
    source=st.integers(0, 5),
    grades=st.integers(1, 5),
)
def test_score_never_falls_when_a_cell_turns_worse(
    counts: list[int], source: int, grades: int
) -> None:
    if counts[source] == 0:
        return
    worse = counts.copy()
    worse[source] -= 1
    worse[min(source + grades, 5)] += 1
    for weights in list_weights(BETHESDA)[::7]:
        fitted = replace(MODEL, class_weights=weights)
        before, after = (abnormality_score(np.array(one), fitted) for one in (counts, worse))
        assert after >= before - ROUNDING


def test_weights_to_try_never_fall_with_severity_and_are_zero_for_negative() -> None:
    choices = list_weights(BETHESDA)
    assert len(set(choices)) == len(choices) > 10
    for one in choices:
        assert one[0] == 0
        assert one[-1] == 1
        assert list(one) == sorted(one)
    assert list_weights(BETHESDA[:1]) == [(0.0,)]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=6),
    st.lists(st.integers(0, 5), min_size=1, max_size=6),
)
def test_area_under_the_curve_is_that_of_all_pairs(above: list[int], below: list[int]) -> None:
    pairs = [(one > other) + 0.5 * (one == other) for one in above for other in below]
    area = area_under_curve(np.array(above, float), np.array(below, float))
    assert area == pytest.approx(sum(pairs) / len(pairs))


def test_cross_fit_gives_figures_of_both_kinds_of_weights(
    seen: Sequence[SeenField], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "PRIOR_TOTALS", (10.0,))
    monkeypatch.setattr(fit, "WEIGHTS", (0.3, 1.0))
    monkeypatch.setattr(cross_fit_module, "NUM_PARTS", 2)
    found = cross_fit(seen, BETHESDA, WEIGHTS, num_each=20)
    gain = found.with_fitted_weights.auc - found.with_given_weights.auc
    assert found.weights_fitted == (gain >= 0.01)
    assert found.with_given_weights.auc > 0.9
    shipped = judge_shipped(seen, BETHESDA, found.model, num_each=20)
    assert shipped.auc > 0.9
    assert mean_figures([shipped, shipped]) == shipped
    assert set(shipped.to_json()["auc_by_share"]) >= {"0.005", "0.5"}


def test_a_margin_is_taken_that_keeps_negative_slides_of_other_fields_low(
    seen: Sequence[SeenField], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "PRIOR_TOTALS", (10.0,))
    monkeypatch.setattr(fit, "WEIGHTS", (1.0,))
    monkeypatch.setattr(cross_fit_module, "NUM_PARTS", 2)
    monkeypatch.setattr(cross_fit_module, "MARGINS", (-3.0, 1.0, 2.0))
    found = cross_fit(seen, BETHESDA, WEIGHTS, num_each=20)
    assert found.margin == 1.0
    assert min(found.with_given_weights.negative_low_by_size.values()) >= 0.95
    monkeypatch.setattr(cross_fit_module, "MARGINS", (-3.0,))
    bold = cross_fit(seen, BETHESDA, WEIGHTS, num_each=20)
    assert min(bold.with_given_weights.negative_low_by_size.values()) < 0.95


MODEL = SlideScoreModel(
    class_weights=WEIGHTS,
    prior_abnormal=0.1,
    prior_total=30.0,
    intercept=6.0,
    slope=1.7,
    category_min_count=5,
    category_min_fractions=(0.01,) * 6,
)
