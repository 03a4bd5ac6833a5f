"""A cell's second opinions lose score, and nothing else changes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from models.rivals import demote_rivals

scores = arrays(np.float32, 8, elements=st.floats(0, 1, width=32))
places = arrays(np.float32, (8, 2), elements=st.floats(0, 60, width=32))


def boxes_at(place: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.hstack([place, place + 20]).astype(np.float32)


def test_a_covered_box_is_discounted_by_its_share_of_the_best() -> None:
    place = np.array([[0, 0], [1, 0], [0, 1], [50, 50]], np.float32)
    score = np.array([0.4, 0.8, 0.2, 0.3], np.float32)
    found = demote_rivals(boxes_at(place), score, 2.0)
    expected = [0.4 * 0.5**2, 0.8, 0.2 * 0.25**2, 0.3]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_neighbours_that_barely_overlap_are_no_rivals() -> None:
    place = np.array([[0, 0], [10, 0]], np.float32)
    score = np.array([0.4, 0.8], np.float32)
    np.testing.assert_array_equal(demote_rivals(boxes_at(place), score, 8.0), score)


@given(places, scores, st.floats(0, 8))
def test_no_score_rises_and_every_best_one_stays(
    place: NDArray[np.float32], score: NDArray[np.float32], power: float
) -> None:
    found = demote_rivals(boxes_at(place), score, power)
    assert (found <= score).all()
    assert (found >= 0).all()
    best = int(np.argmax(score))
    assert found[best] == score[best]


@given(places, scores, st.permutations(range(8)))
def test_the_order_of_detections_does_not_matter(
    place: NDArray[np.float32], score: NDArray[np.float32], order: list[int]
) -> None:
    score = score + np.arange(8, dtype=np.float32) * np.float32(1e-3)
    found = demote_rivals(boxes_at(place), score, 2.0)
    np.testing.assert_array_equal(
        demote_rivals(boxes_at(place[order]), score[order], 2.0), found[order]
    )


def test_power_0_and_no_detections_change_nothing() -> None:
    none = np.zeros(0, np.float32)
    assert len(demote_rivals(np.zeros((0, 4), np.float32), none, 4.0)) == 0
    score = np.array([0.1, 0.9], np.float32)
    np.testing.assert_array_equal(demote_rivals(boxes_at(np.zeros((2, 2))), score, 0.0), score)
