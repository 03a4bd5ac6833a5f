"""A cell's scores: classes of one side support each other, rivals lose score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from models.inference.joined_scores import join_scores, least_best_score

NUM_CELLS = 8
IS_ABNORMAL = (False, True, True)
scores = arrays(np.float32, (NUM_CELLS, 3), elements=st.floats(0, 1, width=32))
supports, powers = st.floats(0, 1), st.floats(0, 8)


def join(class_scores: list[float], support: float, power: float) -> NDArray[np.float32]:
    cell = np.array([class_scores], np.float32)
    return join_scores(cell, IS_ABNORMAL, support, power)[0]


def test_a_rival_is_discounted_by_its_share_of_the_best() -> None:
    for class_scores in ([0.4, 0.8, 0.2], [0.8, 0.4, 0.2], [0.2, 0.4, 0.8]):
        expected = [score * (score / 0.8) ** 2 for score in class_scores]
        np.testing.assert_allclose(join(class_scores, 0.0, 2.0), expected, rtol=1e-5)


def test_classes_of_one_side_add_up_and_may_overrule_a_better_one_of_the_other() -> None:
    abnormal = 1 - 0.6 * 0.7
    expected = [
        0.45 * (0.45 / abnormal) ** 2,
        abnormal,
        abnormal * (0.3 / 0.4) ** 3,
    ]
    np.testing.assert_allclose(join([0.45, 0.4, 0.3], 1.0, 2.0), expected, rtol=1e-5)


def test_half_the_support_adds_half_of_each_other_class() -> None:
    np.testing.assert_allclose(join([0.0, 0.5, 0.4], 0.5, 0.0)[1], 1 - 0.5 * 0.8, rtol=1e-5)


def test_two_normal_classes_add_up_like_abnormal_ones() -> None:
    cell = np.array([[0.4, 0.3]], np.float32)
    for is_abnormal in ((False, False), (True, True)):
        joined = join_scores(cell, is_abnormal, 1.0, 1.0)
        np.testing.assert_allclose(joined, [[0.58, 0.58 * 0.75**2]], rtol=1e-5)


@given(scores, powers)
def test_without_support_no_score_rises_and_each_cells_best_stays(
    class_scores: NDArray[np.float32], power: float
) -> None:
    joined = join_scores(class_scores, IS_ABNORMAL, 0.0, power)
    assert (joined <= class_scores * (1 + 1e-5)).all()
    assert (joined >= 0).all()
    best = np.arange(NUM_CELLS), class_scores.argmax(axis=1)
    np.testing.assert_allclose(joined[best], class_scores[best], rtol=1e-5)


@given(scores, supports, powers)
def test_within_one_side_of_a_cell_the_order_stays_and_scores_stay_scores(
    class_scores: NDArray[np.float32], support: float, power: float
) -> None:
    joined = join_scores(class_scores, IS_ABNORMAL, support, power)
    assert ((joined >= 0) & (joined <= 1)).all()
    order = class_scores[:, 1:].argsort(axis=1)
    assert (np.diff(np.take_along_axis(joined[:, 1:], order, axis=1), axis=1) >= 0).all()


@given(scores, st.floats(0, 0.9), powers)
def test_more_support_never_lowers_a_cells_best_score(
    class_scores: NDArray[np.float32], support: float, power: float
) -> None:
    less = join_scores(class_scores, IS_ABNORMAL, support, power)
    more = join_scores(class_scores, IS_ABNORMAL, support + 0.1, power)
    assert (more.max(axis=1) >= less.max(axis=1) - 1e-6).all()


@given(scores, supports, powers)
def test_a_cell_is_judged_by_itself(
    class_scores: NDArray[np.float32], support: float, power: float
) -> None:
    together = join_scores(class_scores, IS_ABNORMAL, support, power)
    for index in range(NUM_CELLS):
        alone = join_scores(class_scores[index : index + 1], IS_ABNORMAL, support, power)
        np.testing.assert_allclose(together[index], alone[0], rtol=1e-5)


@given(scores, supports, powers)
def test_no_class_gets_more_than_the_bound_on_its_side_allows(
    class_scores: NDArray[np.float32], support: float, power: float
) -> None:
    joined = join_scores(class_scores, IS_ABNORMAL, support, power)
    best = class_scores.max(axis=1)
    for label, num_classes in ((0, 1), (1, 2), (2, 2)):
        for cell in range(NUM_CELLS):
            least = least_best_score(float(joined[cell, label]), num_classes, support)
            assert best[cell] >= least - 1e-5


def test_without_support_and_power_or_without_cells_nothing_changes() -> None:
    cell = np.array([[0.1, 0.9, 0.4]], np.float32)
    np.testing.assert_array_equal(join_scores(cell, IS_ABNORMAL, 0.0, 0.0), cell)
    assert join_scores(cell[:0], IS_ABNORMAL, 1.0, 3.0).shape == (0, 3)


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_scores_at_either_end_stay_numbers(score: float) -> None:
    np.testing.assert_allclose(join([0.0, score, score], 1.0, 3.0)[1:], score, atol=1e-5)
