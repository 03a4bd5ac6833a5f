"""The slide score grows with number and grade of abnormal cells; no cells give none."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.pipeline.report.score import abnormality_score
from tests.fake_detector import SLIDE_SCORE

counts = (
    st.lists(st.integers(0, 5000), min_size=6, max_size=6)
    .filter(lambda numbers: sum(numbers) > 0)
    .map(np.array)
)


@given(counts, st.integers(0, 5), st.integers(0, 5))
@settings(deadline=None, max_examples=300)
def test_a_cell_of_a_worse_class_never_lowers_the_score(
    count: np.ndarray, first: int, second: int
) -> None:
    better, worse = sorted((first, second))
    if count[better] == 0:
        return
    moved = count.copy()
    moved[better] -= 1
    moved[worse] += 1
    before = abnormality_score(count, SLIDE_SCORE)
    # Sums of counts in another order differ in their last digits.
    assert abnormality_score(moved, SLIDE_SCORE) >= before - 1e-12


@given(counts)
@settings(deadline=None, max_examples=100)
def test_the_score_is_a_finite_number_from_zero_to_one(count: np.ndarray) -> None:
    score = abnormality_score(count, SLIDE_SCORE)
    assert 0 <= score <= 1
    json.dumps(score, allow_nan=False)


def test_more_abnormal_cells_raise_the_score_strictly() -> None:
    scores = [
        abnormality_score(np.array([1000 - n, 0, 0, 0, n, 0]), SLIDE_SCORE) for n in (0, 1, 10, 100)
    ]
    assert scores == sorted(set(scores))


def test_no_cells_have_no_score() -> None:
    assert abnormality_score(np.zeros(6, np.int64), SLIDE_SCORE) is None
