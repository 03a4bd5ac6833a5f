"""A term keeps negative slides low at every size and rises to a clear score."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.classes import BETHESDA
from service.composed_slides import fit
from service.composed_slides.compose import ComposedSlides
from service.composed_slides.fit import (
    TermForm,
    area_under_curve,
    draw_slides_to_fit,
    fit_slide_score,
    fit_term,
)
from service.composed_slides.judge import draw_trial, judge_slide_score, score_composed
from service.composed_slides.pieces import Pieces
from service.pipeline.report.score import abnormality_score
from service.pipeline.types import SlideScoreModel

SHARE = TermForm((0.0, 0.3, 0.6, 0.8, 1.0, 1.0))
SEVERE = TermForm((0.0, 0.0, 0.0, 1.0, 1.0, 1.0), power=2, is_severe=True)


@pytest.fixture(scope="module")
def slides(pieces: Pieces) -> ComposedSlides:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "NUM_SLIDES", 300)
        return draw_slides_to_fit(pieces, BETHESDA)


@pytest.fixture(scope="module")
def model(slides: ComposedSlides) -> SlideScoreModel:
    share, severe = fit_term(slides, SHARE), fit_term(slides, SEVERE)
    return fit_slide_score(slides, BETHESDA, share, severe, (0.15, 0.15))


def test_negative_slides_of_other_draws_score_low_and_abnormal_ones_high(
    pieces: Pieces, model: SlideScoreModel
) -> None:
    figures = judge_slide_score(draw_trial(pieces, BETHESDA, 9, num_each=40), BETHESDA, model)
    assert min(figures.negative_low_by_size.values()) >= 0.85
    assert figures.auc > 0.95
    assert figures.auc_by_share[0.5] > 0.98
    assert figures.found_by_share[0.5] > 0.95
    assert figures.category_near >= figures.category_agrees > 0.3


@pytest.mark.parametrize("form", [SHARE, SEVERE])
def test_enough_negative_slides_of_every_size_lie_below_the_threshold(
    slides: ComposedSlides, form: TermForm
) -> None:
    excess = fit_term(slides, form).excess(slides)
    for low, high in pairwise(fit.SIZES):
        of_size = (slides.num_cells >= low) & (slides.num_cells < high)
        negative = excess[of_size & ~slides.is_abnormal]
        # A quantile of few slides lies between two of them.
        assert (negative > 0).sum() <= np.ceil(0.05 * len(negative))


def test_a_class_never_detected_by_mistake_is_still_no_evidence_in_a_few_cells(
    slides: ComposedSlides,
) -> None:
    term = fit_term(slides, TermForm((0.0, 0.0, 0.0, 0.0, 0.0, 1.0), is_severe=True))
    assert not slides.detected[~slides.is_abnormal, 5].any()
    assert term.threshold == pytest.approx(np.log(0.001))


def test_composed_slides_are_scored_as_the_product_scores_cells(
    slides: ComposedSlides, model: SlideScoreModel
) -> None:
    """The spots of these fields all have the score 0.8."""
    scores = score_composed(slides, model)
    for index in range(0, len(scores), 23):
        label = np.repeat(np.arange(6), slides.detected[index])
        own = abnormality_score(label, np.full(len(label), 0.8, np.float32), model)
        assert scores[index] == pytest.approx(own, abs=1e-6)


def test_a_slide_of_nothing_but_the_worst_cells_scores_near_one(model: SlideScoreModel) -> None:
    certain = np.full(500, 0.9, np.float32)
    assert abnormality_score(np.full(500, 5), certain, model) > 0.9
    assert abnormality_score(np.zeros(500, int), certain, model) < 0.1


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=6),
    st.lists(st.integers(0, 5), min_size=1, max_size=6),
)
def test_area_under_the_curve_is_that_of_all_pairs(above: list[int], below: list[int]) -> None:
    pairs = [(own > other) + 0.5 * (own == other) for own in above for other in below]
    area = area_under_curve(np.array(above, float), np.array(below, float))
    assert area == pytest.approx(sum(pairs) / len(pairs))
