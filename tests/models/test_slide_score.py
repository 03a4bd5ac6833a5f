"""The fitted slide score tells slides apart and keeps negative ones low, whatever their size."""

import numpy as np
import pytest

from models.classes import BETHESDA
from models.detector import SlideScoreModel
from models.slide_score import Rates, compose_slides, estimate_rates, fit_slide_score
from service.pipeline.report import abnormality_score

WEIGHTS = (0.0, 0.3, 0.6, 0.8, 1.0, 1.0)


@pytest.fixture(scope="module")
def rates() -> Rates:
    """A detector that is right three times in four and calls 4 % of negative cells abnormal."""
    matrix = np.zeros((7, 7), np.int64)
    matrix[0] = [820, 20, 10, 1, 8, 1, 140]
    for label in range(1, 6):
        matrix[label, label], matrix[label, 0], matrix[label, 6] = 75, 15, 10
    matrix[6] = [150, 5, 5, 0, 5, 0, 0]
    return estimate_rates(matrix, np.zeros_like(matrix), BETHESDA)


def test_scores_by_the_products_own_formula_hold_on_slides_not_fitted_on(
    rates: Rates,
) -> None:
    fitted, figures = fit_slide_score(rates, BETHESDA, WEIGHTS)
    model = SlideScoreModel(**fitted)
    slides = compose_slides(rates, BETHESDA, seed=99)
    scores = np.array([abnormality_score(count, model) for count in slides.found])
    negative = ~slides.abnormal
    assert (scores[negative] < 0.1).mean() >= 0.94
    for low, high in ((30, 300), (300, 3000), (3000, 50_000)):
        sized = (slides.found.sum(axis=1) >= low) & (slides.found.sum(axis=1) < high)
        assert (scores[negative & sized] < 0.1).mean() >= 0.9
    assert np.quantile(scores[slides.abnormal], 0.75) > 3 * np.quantile(scores[negative], 0.97)
    assert figures["auc"] > 0.85


def test_the_fit_repeats(rates: Rates) -> None:
    assert fit_slide_score(rates, BETHESDA, WEIGHTS) == fit_slide_score(rates, BETHESDA, WEIGHTS)


def test_half_of_the_composed_slides_hold_no_abnormal_cell(rates: Rates) -> None:
    slides = compose_slides(rates, BETHESDA, seed=3)
    assert 0.45 < slides.abnormal.mean() < 0.55
    right = np.diag([100] * 6 + [0])
    clean = compose_slides(estimate_rates(right, right, BETHESDA), BETHESDA, seed=3)
    assert (clean.found[~clean.abnormal, 1:] == 0).all()
    assert (clean.found[clean.abnormal, 1:].sum(axis=1) >= 0).all()


def test_false_alarms_are_told_by_negative_fields_the_more_cells_they_hold() -> None:
    everything = np.diag([800, 50, 50, 10, 50, 10, 0])
    everything[6, 4] = 97
    clean = np.zeros((7, 7), np.int64)
    assert estimate_rates(everything, clean, BETHESDA).invented[4] == pytest.approx(0.1)
    clean[0, 0] = 900
    assert estimate_rates(everything, clean, BETHESDA).invented[4] == pytest.approx(0.01)
