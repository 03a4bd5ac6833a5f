"""The slide score grows with number, grade and certainty of abnormal cells; no cells give none."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.detector import SevereTerm
from service.pipeline.report.score import abnormality_score, score_slides, sum_certainty
from service.pipeline.types import SlideScoreModel
from tests.fake_detector import SLIDE_SCORE

SEVERE = SevereTerm(
    class_weights=(0.0, 0.0, 0.1, 0.3, 0.6, 1.0),
    certainty_power=2.0,
    prior_total=100.0,
    intercept=7.0,
    slope=1.5,
)
BOTH = replace(SLIDE_SCORE, severe=SEVERE)
SURE = replace(BOTH, certainty_power=4.0)
MODELS = pytest.mark.parametrize("model", [SLIDE_SCORE, BOTH, SURE], ids=["first", "both", "sure"])
#: Sums in another order differ in their last digits.
ROUNDING = 1e-12

cells = st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=60)


def score_of(listed: list[tuple[int, float]], model: SlideScoreModel) -> float:
    """The score of a slide with these classes and scores of cells."""
    label = np.array([each[0] for each in listed], np.int16)
    score = abnormality_score(label, np.array([each[1] for each in listed], np.float32), model)
    assert score is not None
    return score


def score_of_counts(counts: list[int], model: SlideScoreModel) -> float:
    """The score of a slide with so many cells of each class, all certain."""
    label = np.repeat(np.arange(6), counts)
    return score_of([(int(each), 1.0) for each in label], model)


@MODELS
@given(listed=cells, index=st.integers(0, 59), grades=st.integers(1, 5))
@settings(deadline=None, max_examples=200)
def test_a_cell_of_a_worse_class_never_lowers_the_score(
    model: SlideScoreModel, listed: list[tuple[int, float]], index: int, grades: int
) -> None:
    label, score = listed[index % len(listed)]
    worse = listed.copy()
    worse[index % len(listed)] = (min(label + grades, 5), score)
    assert score_of(worse, model) >= score_of(listed, model) - ROUNDING


@MODELS
@given(listed=cells, index=st.integers(0, 59), gain=st.floats(0, 1))
@settings(deadline=None, max_examples=100)
def test_a_cell_more_certain_never_lowers_the_score(
    model: SlideScoreModel, listed: list[tuple[int, float]], index: int, gain: float
) -> None:
    label, score = listed[index % len(listed)]
    surer = listed.copy()
    surer[index % len(listed)] = (label, score + gain * (1 - score))
    assert score_of(surer, model) >= score_of(listed, model) - ROUNDING


@MODELS
@given(counts=st.lists(st.integers(0, 300), min_size=6, max_size=6).filter(any))
@settings(deadline=None, max_examples=100)
def test_the_score_is_a_finite_number_from_zero_to_one(
    model: SlideScoreModel, counts: list[int]
) -> None:
    score = score_of_counts(counts, model)
    assert 0 <= score <= 1
    json.dumps(score, allow_nan=False)


@MODELS
def test_more_abnormal_cells_raise_the_score_strictly(model: SlideScoreModel) -> None:
    scores = [score_of_counts([1000 - n, 0, 0, 0, n, 0], model) for n in (0, 1, 10, 100)]
    assert scores == sorted(set(scores))


@given(counts=st.lists(st.integers(0, 50), min_size=6, max_size=6).filter(any))
@settings(deadline=None, max_examples=100)
def test_a_second_term_only_raises_the_score(counts: list[int]) -> None:
    assert score_of_counts(counts, BOTH) >= score_of_counts(counts, SLIDE_SCORE)


@MODELS
@given(
    counts=st.lists(st.integers(0, 400), min_size=6, max_size=6).filter(any),
    factor=st.integers(2, 10_000),
)
@settings(deadline=None, max_examples=200)
def test_a_slide_is_not_more_abnormal_for_being_larger_than_its_share_of_cells_says(
    model: SlideScoreModel, counts: list[int], factor: int
) -> None:
    """The same mix on any larger slide stays between this slide and what the mix tends to."""
    small = np.array([counts], np.int64)
    tends_to = small * 10**9
    sizes = np.concatenate([small, small * factor, tends_to])
    mass = sizes.astype(float)
    first, larger, last = score_slides(sizes.sum(axis=1), [mass, mass], model)
    assert larger <= max(first, last) + 1e-9
    assert larger >= min(first, last) - 1e-9


def test_few_certain_carcinoma_cells_count_where_their_share_alone_does_not() -> None:
    few, none = ([59_400, 0, 0, 0, 0, number] for number in (59, 0))
    alone = score_of_counts(few, SLIDE_SCORE) - score_of_counts(none, SLIDE_SCORE)
    both = score_of_counts(few, BOTH) - score_of_counts(none, BOTH)
    assert both > 2 * alone


@MODELS
def test_no_cells_have_no_score(model: SlideScoreModel) -> None:
    none: NDArray[np.int16] = np.zeros(0, np.int16)
    assert abnormality_score(none, np.zeros(0, np.float32), model) is None
    assert np.isnan(score_slides(np.zeros(1, int), [np.zeros((1, 6))] * 2, model)).all()


def test_certainty_is_summed_by_class() -> None:
    label, score = np.array([1, 4, 4]), np.array([0.5, 0.5, 1.0])
    np.testing.assert_allclose(sum_certainty(label, score, 6, 2.0), [0, 0.25, 0, 0, 1.25, 0])
    np.testing.assert_array_equal(sum_certainty(label, score, 6, 0.0), [0, 1, 0, 0, 2, 0])
