"""A cell's opinions: those of one side add up, rivals lose score, other cells are left alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from models.inference.joined_scores import weigh_opinions

NUM = 8
IS_ABNORMAL = (False, True, True)
scores = arrays(np.float32, NUM, elements=st.floats(0, 1, width=32))
places = arrays(np.float32, (NUM, 2), elements=st.floats(0, 60, width=32))
labels = arrays(np.int16, NUM, elements=st.integers(0, 2))
apart = st.permutations(np.linspace(0.05, 0.95, NUM, dtype=np.float32).tolist())
supports, powers = st.floats(0, 1), st.floats(0, 8)


def boxes_at(place: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.hstack([place, place + 20]).astype(np.float32)


def weigh(
    place: list[tuple[float, float]],
    score: list[float],
    label: list[int],
    support: float,
    power: float,
) -> NDArray[np.float32]:
    return weigh_opinions(
        boxes_at(np.array(place, np.float32)),
        np.array(score, np.float32),
        np.array(label, np.int16),
        IS_ABNORMAL,
        support,
        power,
    )


def test_a_rival_is_discounted_by_its_share_of_the_best() -> None:
    place = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (50.0, 50.0)]
    for label in ([1, 2, 0, 1], [0, 0, 0, 0], [2, 1, 1, 2]):
        found = weigh(place, [0.4, 0.8, 0.2, 0.3], label, 0.0, 2.0)
        np.testing.assert_allclose(found, [0.4 * 0.5**2, 0.8, 0.2 * 0.25**2, 0.3], rtol=1e-5)


def test_opinions_of_one_side_add_up_and_may_overrule_a_better_one_of_the_other() -> None:
    found = weigh([(0.0, 0.0)] * 3, [0.45, 0.4, 0.3], [0, 1, 2], 1.0, 2.0)
    abnormal = 1 - 0.6 * 0.7
    expected = [
        0.45 * (0.45 / abnormal) ** 2,
        abnormal,
        abnormal * (0.3 / 0.4) ** 3,
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_of_several_boxes_of_one_class_the_best_alone_supports() -> None:
    found = weigh([(0.0, 0.0)] * 3, [0.5, 0.4, 0.2], [1, 2, 2], 0.5, 0.0)
    np.testing.assert_allclose(found[0], 1 - 0.5 * 0.8, rtol=1e-5)
    neighbours = weigh([(0.0, 0.0), (4.0, 0.0), (-4.0, 0.0)], [0.5, 0.45, 0.45], [0, 1, 1], 1.0, 0)
    np.testing.assert_allclose(neighbours, [0.5, 0.45, 0.45], rtol=1e-5)


def test_a_box_is_an_opinion_on_the_best_box_it_overlaps_and_not_on_an_opinion() -> None:
    chain = [(0.0, 0.0), (3.0, 0.0), (6.0, 0.0)]
    found = weigh(chain, [0.9, 0.6, 0.5], [1, 2, 1], 0.0, 3.0)
    np.testing.assert_allclose(found, [0.9, 0.6 * (0.6 / 0.9) ** 3, 0.5], rtol=1e-5)


def test_two_normal_classes_add_up_like_abnormal_ones() -> None:
    place = np.zeros((2, 2), np.float32)
    score, label = np.array([0.4, 0.3], np.float32), np.array([0, 1], np.int16)
    for is_abnormal in ((False, False), (True, True)):
        found = weigh_opinions(boxes_at(place), score, label, is_abnormal, 1.0, 1.0)
        np.testing.assert_allclose(found, [0.58, 0.58 * 0.75**2], rtol=1e-5)


def test_neighbours_that_barely_overlap_are_no_rivals_and_no_support() -> None:
    found = weigh([(0.0, 0.0), (10.0, 0.0)], [0.4, 0.8], [1, 1], 1.0, 8.0)
    np.testing.assert_allclose(found, [0.4, 0.8], rtol=1e-5)


@given(places, scores, labels, powers)
def test_without_support_no_score_rises_and_the_best_one_stays(
    place: NDArray[np.float32],
    score: NDArray[np.float32],
    label: NDArray[np.int16],
    power: float,
) -> None:
    found = weigh_opinions(boxes_at(place), score, label, IS_ABNORMAL, 0.0, power)
    assert (found <= score * (1 + 1e-5)).all()
    assert (found >= 0).all()
    best = int(np.argmax(score))
    np.testing.assert_allclose(found[best], score[best], rtol=1e-5)


@given(scores, labels, supports, powers)
def test_within_one_side_of_a_cell_the_order_stays_and_scores_stay_scores(
    score: NDArray[np.float32], label: NDArray[np.int16], support: float, power: float
) -> None:
    boxes = boxes_at(np.zeros((NUM, 2), np.float32))
    found = weigh_opinions(boxes, score, label, IS_ABNORMAL, support, power)
    assert ((found >= 0) & (found <= 1)).all()
    for abnormal in (False, True):
        mine = np.flatnonzero(np.asarray(IS_ABNORMAL)[label] == abnormal)
        ordered = found[mine[np.argsort(score[mine], kind="stable")]]
        assert (np.diff(ordered) >= 0).all()


@given(scores, labels, st.floats(0, 0.9), powers)
def test_more_support_never_lowers_a_cells_best_score(
    score: NDArray[np.float32], label: NDArray[np.int16], support: float, power: float
) -> None:
    boxes = boxes_at(np.zeros((NUM, 2), np.float32))
    less = weigh_opinions(boxes, score, label, IS_ABNORMAL, support, power)
    more = weigh_opinions(boxes, score, label, IS_ABNORMAL, support + 0.1, power)
    assert more.max() >= less.max() - 1e-6


@given(places, apart, labels, supports, st.permutations(range(NUM)))
def test_the_order_of_detections_does_not_matter(
    place: NDArray[np.float32],
    score_list: list[float],
    label: NDArray[np.int16],
    support: float,
    order: list[int],
) -> None:
    score = np.array(score_list, np.float32)
    found = weigh_opinions(boxes_at(place), score, label, IS_ABNORMAL, support, 2.0)
    moved = weigh_opinions(
        boxes_at(place[order]), score[order], label[order], IS_ABNORMAL, support, 2.0
    )
    np.testing.assert_allclose(moved, found[order], rtol=1e-5)


def test_without_support_and_power_or_without_detections_nothing_changes() -> None:
    score = np.array([0.1, 0.9], np.float32)
    np.testing.assert_array_equal(weigh([(0.0, 0.0)] * 2, [0.1, 0.9], [1, 1], 0.0, 0.0), score)
    empty = np.zeros(0, np.float32)
    label = np.zeros(0, np.int16)
    assert not len(weigh_opinions(np.zeros((0, 4), "f"), empty, label, IS_ABNORMAL, 1.0, 3.0))


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_scores_at_either_end_stay_numbers(score: float) -> None:
    found = weigh([(0.0, 0.0)] * 2, [score, score], [1, 2], 1.0, 3.0)
    np.testing.assert_allclose(found, score, atol=1e-5)
