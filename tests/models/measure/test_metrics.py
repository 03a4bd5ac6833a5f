"""Average precision and pairing, against cases worked out by hand and brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.measure.metrics import (
    FieldResult,
    average_precision,
    confusion_matrix,
    pair_cells,
    rates_of_classes,
)

MPP = 0.25


def squares(centres: list[tuple[float, float]], side: float = 80) -> NDArray[np.float32]:
    xy = np.array(centres, np.float32).reshape(-1, 2)
    return np.hstack([xy - side / 2, xy + side / 2]).astype(np.float32)


def field(
    cells: list[tuple[float, float]],
    labels: list[int],
    detected: list[tuple[float, float]],
    found_labels: list[int],
    scores: list[float],
) -> FieldResult:
    return FieldResult(
        true_bbox_xyxy=squares(cells),
        true_label=np.array(labels, np.int16),
        true_centre_xy=np.array(cells, np.float32).reshape(-1, 2),
        bbox_xyxy=squares(detected),
        label=np.array(found_labels, np.int16),
        score=np.array(scores, np.float32),
        mpp=MPP,
    )


def test_perfect_detections_have_ap_one() -> None:
    cells = [(100.0, 100.0), (300.0, 100.0), (100.0, 300.0)]
    perfect = field(cells, [0, 1, 1], cells, [0, 1, 1], [0.9, 0.8, 0.7])
    assert average_precision([perfect], np.arange(2)) == pytest.approx({0: 1.0, 1: 1.0})


def test_ap_is_the_101_point_mean() -> None:
    # Best first: right, wrong, right; recall 0.5 at precision 1, recall 1 at precision 2/3.
    result = field(
        [(100.0, 100.0), (300.0, 300.0)],
        [0, 0],
        [(100.0, 100.0), (600.0, 600.0), (300.0, 300.0)],
        [0, 0, 0],
        [0.9, 0.8, 0.7],
    )
    expected = (51 * 1 + 50 * 2 / 3) / 101
    assert average_precision([result], np.arange(1))[0] == pytest.approx(expected)


def test_merging_classes_forgives_the_wrong_class() -> None:
    result = field([(100.0, 100.0)], [0], [(100.0, 100.0)], [1], [0.9])
    assert average_precision([result], np.arange(2)) == {0: 0.0}
    assert average_precision([result], np.zeros(2, np.int64))[0] == pytest.approx(1.0)


def test_classes_left_out_neither_help_nor_hurt() -> None:
    result = field(
        [(100.0, 100.0), (300.0, 300.0)],
        [0, 1],
        [(300.0, 300.0), (500.0, 500.0)],
        [1, 0],
        [0.5, 0.9],
    )
    assert average_precision([result], np.array([-1, 0]))[0] == pytest.approx(1.0)


def test_no_detections_give_ap_zero_and_no_cells_give_none() -> None:
    assert average_precision([field([(9.0, 9.0)], [0], [], [], [])], np.arange(1)) == {0: 0.0}
    assert average_precision([field([], [], [(9.0, 9.0)], [0], [0.5])], np.arange(1)) == {}


def test_more_than_a_hundred_cells_can_all_be_found() -> None:
    cells = [(100.0 * x, 100.0 * y) for x, y in itertools.product(range(1, 16), range(1, 16))]
    crowd = field(cells, [0] * 225, cells, [0] * 225, [0.5] * 225)
    assert average_precision([crowd], np.arange(1))[0] == pytest.approx(1.0)


@pytest.mark.parametrize(("shift_um", "expected"), [(9.9, 1.0), (10.1, 0.0)])
def test_ap_by_centre_counts_up_to_its_distance(shift_um: float, expected: float) -> None:
    result = field([(100.0, 100.0)], [0], [(100.0 + shift_um / MPP, 100.0)], [0], [0.9])
    assert average_precision([result], np.arange(1), 10.0)[0] == pytest.approx(expected)


points = st.lists(
    st.tuples(st.floats(0, 120, width=32), st.floats(0, 120, width=32)), max_size=4, unique=True
)


@given(points, points)
@settings(deadline=None, max_examples=100)
def test_pairs_are_one_to_one_as_many_and_as_near_as_can_be(
    cells: list[tuple[float, float]], detected: list[tuple[float, float]]
) -> None:
    result = field(cells, [0] * len(cells), detected, [0] * len(detected), [0.5] * len(detected))
    pairs = pair_cells(result)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
    distance = np.linalg.norm(
        result.true_centre_xy[:, None].astype(float) - result.centre_xy[None].astype(float), axis=2
    )
    distance = distance * MPP
    assert (distance[pairs[:, 0], pairs[:, 1]] <= 10.0).all()
    assert len(pairs) == _most_pairs(distance)


def _most_pairs(distance_um: NDArray[np.float64]) -> int:
    rows, columns = distance_um.shape
    best = 0
    for count in range(min(rows, columns) + 1):
        for chosen in itertools.combinations(range(rows), count):
            for order in itertools.permutations(range(columns), count):
                if all(distance_um[r, c] <= 10.0 for r, c in zip(chosen, order, strict=True)):
                    best = count
    return best


def test_confusion_counts_missed_invented_and_mistaken_cells() -> None:
    result = field(
        [(100.0, 100.0), (300.0, 300.0), (500.0, 500.0)],
        [0, 1, 1],
        [(102.0, 100.0), (300.0, 300.0), (900.0, 900.0)],
        [0, 0, 1],
        [0.9, 0.8, 0.7],
    )
    assert confusion_matrix([result], 2).tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]


def test_rates_count_wrong_side_and_missed_cells() -> None:
    matrix = np.array([[5, 1, 1], [2, 6, 2], [1, 1, 0]])
    rates = rates_of_classes(matrix, np.array([False, True]))
    assert rates.precision == pytest.approx(6 / 8)
    assert rates.recall == pytest.approx(6 / 10)
    assert rates.f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)


def test_rates_of_nothing_are_zero() -> None:
    rates = rates_of_classes(np.zeros((2, 2), np.int64), np.array([True]))
    assert (rates.precision, rates.recall, rates.f1) == (0.0, 0.0, 0.0)
