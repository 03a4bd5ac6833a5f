"""The Hilbert curve visits every square once, each beside the one before; cells follow it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.spatial_order import measure_along_curve, order_spatially
from service.pipeline.types import Detections


@pytest.mark.parametrize("bits", [1, 2, 3, 6])
def test_the_curve_goes_from_square_to_neighbouring_square(bits: int) -> None:
    y, x = (each.ravel() for each in np.mgrid[: 1 << bits, : 1 << bits])
    distance = measure_along_curve(x, y, bits)
    assert sorted(distance) == list(range(4**bits))
    order = np.argsort(distance)
    steps = np.abs(np.diff(x[order])) + np.abs(np.diff(y[order]))
    assert (steps == 1).all()


def cells_at(centre: np.ndarray) -> Detections:
    count = len(centre)
    return Detections(
        np.hstack([centre - 20, centre + 20]).astype(np.float32),
        np.zeros(count, np.float32),
        np.arange(count).astype(np.int16),
        np.zeros(count, np.int32),
        np.zeros((count, 2), np.float32),
    )


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 500)), max_size=40))
def test_ordering_keeps_every_cell_and_does_nothing_the_second_time(
    centre: list[tuple[int, int]],
) -> None:
    cells = cells_at(np.array(centre, float).reshape(-1, 2))
    ordered = order_spatially(cells, 900, 500)
    assert sorted(ordered.label.tolist()) == cells.label.tolist()
    np.testing.assert_array_equal(ordered.bbox_xyxy, cells.bbox_xyxy[ordered.label])
    again = order_spatially(ordered, 900, 500)
    assert again.label.tolist() == ordered.label.tolist()


def test_cells_in_one_place_stay_in_the_order_in_which_they_come() -> None:
    assert order_spatially(cells_at(np.full((5, 2), 70.0)), 900, 500).label.tolist() == [*range(5)]


def test_cells_that_follow_each_other_lie_near_each_other() -> None:
    centre = np.random.default_rng(0).uniform(0, 10_000, (10_000, 2))
    ordered = order_spatially(cells_at(centre), 10_000, 10_000)
    steps = np.linalg.norm(np.diff(ordered.bbox_xyxy[:, :2], axis=0), axis=1)
    assert steps.mean() < 150  # cells are 100 px apart; in random order it is 5,200
