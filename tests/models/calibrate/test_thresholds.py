"""Thresholds keep what is right and, where nothing is lost by it, are strict on abnormal cells."""

import numpy as np

from models.calibrate.thresholds import CANDIDATES, choose_thresholds
from models.classes import CellClass
from models.measure.metrics import FieldResult

TWO = (CellClass("NILM", (0, 0, 0), 0), CellClass("HSIL", (0, 0, 0), 4))
SPACING_PX = 200


def make_field(cells: list[tuple[int | None, int, float]]) -> FieldResult:
    """Cells far apart: (true class or None where there is none, found class, score)."""
    centre = np.array([[SPACING_PX * (1 + place), 100] for place in range(len(cells))], np.float32)
    real = [place for place, (true, _, _) in enumerate(cells) if true is not None]
    box = np.hstack([centre - 20, centre + 20])
    return FieldResult(
        true_bbox_xyxy=box[real],
        true_label=np.array([cells[place][0] for place in real], np.int16),
        true_centre_xy=centre[real],
        bbox_xyxy=box,
        label=np.array([found for _, found, _ in cells], np.int16),
        score=np.array([score for _, _, score in cells], np.float32),
        mpp=0.5,
    )


def test_where_the_sum_is_flat_the_strictest_threshold_for_abnormal_cells_is_taken() -> None:
    field = make_field([(0, 0, 0.9), (1, 1, 0.7), (1, 1, 0.7), (None, 1, 0.2)])
    assert choose_thresholds([field], TWO, 0.5)[1] == max(CANDIDATES)


def test_a_clear_gain_is_not_given_up_for_strictness() -> None:
    field = make_field([(0, 0, 0.9), *[(1, 1, 0.33)] * 8, (1, 1, 0.7)])
    assert choose_thresholds([field], TWO, 0.5)[1] == 0.32


def test_normal_and_abnormal_cells_have_a_threshold_each() -> None:
    noise: list[tuple[int | None, int, float]] = [(None, 0, 0.45)] * 6
    field = make_field([*[(0, 0, 0.6)] * 6, *noise, *[(1, 1, 0.21)] * 6])
    normal, abnormal = choose_thresholds([field], TWO, 0.5)
    assert 0.45 < normal <= 0.6
    assert abnormal <= 0.21


def test_scores_below_every_candidate_change_nothing() -> None:
    cells: list[tuple[int | None, int, float]] = [(0, 0, 0.5), (1, 1, 0.5), (None, 1, 0.3)]
    weak: list[tuple[int | None, int, float]] = [(None, 1, 0.05)] * 20
    plain = choose_thresholds([make_field(cells)], TWO, 0.5)
    assert choose_thresholds([make_field([*cells, *weak])], TWO, 0.5) == plain
