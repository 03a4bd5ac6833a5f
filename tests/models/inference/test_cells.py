"""Boxes of one cell are grouped once, as greedy suppression does it, in memory linear in N."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from models.inference.cells import group_boxes, group_candidates
from models.inference.dense_reading import Candidates

NUM = 14
places = arrays(np.float32, (NUM, 2), elements=st.floats(0, 60, width=16))
sizes = arrays(np.float32, (NUM, 2), elements=st.floats(1, 40, width=16))
#: A few values only, so that ties are common.
scores = arrays(np.float32, NUM, elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
thresholds = st.sampled_from([0.0, 0.2, 0.5, 0.55, 0.8, 1.0])


def overlap(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    areas = [float((box[2:] - box[:2]).prod()) for box in (first, second)]
    return shared / (sum(areas) - shared)


def group_slowly(
    boxes: NDArray[np.float32], score: NDArray[np.float32], threshold: float
) -> list[int]:
    """Each box's cell by the definition: box by box, best first, each with every other."""
    x1, y1, x2, y2 = boxes.T
    cell = [-1] * len(boxes)
    for best in np.lexsort((y2, x2, y1, x1, -score)):
        if cell[best] < 0:
            for other in range(len(boxes)):
                if cell[other] < 0 and overlap(boxes[best], boxes[other]) > threshold:
                    cell[other] = int(best)
            cell[best] = int(best)
    return cell


@given(places, sizes, scores, thresholds)
def test_it_groups_as_greedy_suppression_does(
    place: NDArray[np.float32],
    size: NDArray[np.float32],
    score: NDArray[np.float32],
    threshold: float,
) -> None:
    boxes = np.hstack([place, place + size]).astype(np.float32)
    expected = group_slowly(boxes, score, threshold)
    cell = group_boxes(boxes, score, threshold)
    # Boxes that are alike in everything may stand for one another.
    np.testing.assert_array_equal(boxes[cell], boxes[expected])
    np.testing.assert_array_equal(score[cell], score[expected])


@given(places, sizes, scores, thresholds, st.permutations(range(NUM)))
def test_the_order_of_boxes_does_not_matter(
    place: NDArray[np.float32],
    size: NDArray[np.float32],
    score: NDArray[np.float32],
    threshold: float,
    order: list[int],
) -> None:
    boxes = np.hstack([place, place + size]).astype(np.float32)
    cell = group_boxes(boxes, score, threshold)
    moved = group_boxes(boxes[order], score[order], threshold)
    np.testing.assert_array_equal(boxes[order][moved], boxes[cell][order])


@given(places, sizes, scores, thresholds, st.sampled_from([0.25, 0.5, 0.75]))
def test_leaving_out_cells_of_low_score_changes_no_other(
    place: NDArray[np.float32],
    size: NDArray[np.float32],
    score: NDArray[np.float32],
    threshold: float,
    min_score: float,
) -> None:
    boxes = np.hstack([place, place + size]).astype(np.float32)
    every = group_boxes(boxes, score, threshold)
    fewer = group_boxes(boxes, score, threshold, min_score)
    np.testing.assert_array_equal(fewer, np.where(score[every] >= min_score, every, -1))


def test_a_box_belongs_to_the_best_box_it_overlaps_and_not_to_a_worse_one() -> None:
    boxes = np.array([[0, 0, 20, 20], [5, 0, 25, 20], [10, 0, 30, 20]], np.float32)
    # Each overlaps the next by IoU 0.6, the first and the last by 0.33.
    cell = group_boxes(boxes, np.array([0.9, 0.6, 0.5], np.float32), 0.55)
    assert cell.tolist() == [0, 0, 2]


def test_a_cell_has_its_best_box_and_the_best_score_of_each_class() -> None:
    boxes = np.array([[0, 0, 20, 20], [1, 0, 21, 20], [50, 50, 70, 70]], np.float32)
    scores = np.array([[0.5, 0.1, 0.0], [0.2, 0.3, 0.4], [0.0, 0.2, 0.1]], np.float32)
    cells = group_candidates(Candidates(boxes, scores), 0.55)
    np.testing.assert_array_equal(cells.bbox_xyxy, boxes[[0, 2]])
    np.testing.assert_array_equal(
        cells.class_scores, np.array([[0.5, 0.3, 0.4], [0.0, 0.2, 0.1]], np.float32)
    )


def test_no_candidates_give_no_cells() -> None:
    nothing = Candidates(np.zeros((0, 4), np.float32), np.zeros((0, 3), np.float32))
    assert group_candidates(nothing, 0.5).class_scores.shape == (0, 3)
    low = Candidates(np.array([[0, 0, 9, 9]], np.float32), np.full((1, 3), 0.1, np.float32))
    assert len(group_candidates(low, 0.5, min_score=0.2).bbox_xyxy) == 0


@pytest.mark.parametrize("side_px", [2.0, 60.0, 5000.0])
def test_twenty_thousand_boxes_take_memory_that_grows_with_their_number(side_px: float) -> None:
    rng = np.random.default_rng(0)
    num = 20_000
    centre = rng.uniform(0, 2048, (num, 2))
    boxes = np.hstack([centre - side_px / 2, centre + side_px / 2]).astype(np.float32)
    score = rng.uniform(0, 1, num).astype(np.float32)
    tracemalloc.start()
    cell = group_boxes(boxes, score, 0.55)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (cell >= 0).all()
    assert peak_bytes < 400 * num
