"""Calibration: a map that only rises, stays in [0, 1] and takes the error out of scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.calibrate.probability import Calibration, fit_calibration
from models.classes import BETHESDA
from models.measure.metrics import FieldResult
from models.measure.reliability import Judged, bin_scores, calibration_error, judge_detections

scores = st.floats(0, 1)


def field(
    score: NDArray[np.float64], label: NDArray[np.int64], right: NDArray[np.bool_]
) -> FieldResult:
    """One row of detections 100 px apart; where one is right, a cell of its class lies under it."""
    x = 100.0 * np.arange(len(score))
    bbox = np.stack([x, np.zeros_like(x), x + 40, np.full_like(x, 40)], axis=1).astype(np.float32)
    return FieldResult(
        true_bbox_xyxy=bbox[right],
        true_label=label[right].astype(np.int16),
        true_centre_xy=(bbox[right, :2] + 20).astype(np.float32),
        bbox_xyxy=bbox,
        label=label.astype(np.int16),
        score=score.astype(np.float32),
        mpp=0.25,
    )


def draw_fields(power: float, num_fields: int = 40) -> list[FieldResult]:
    """Detections that are right as often as score ** power."""
    rng = np.random.default_rng(7)
    made = []
    for _ in range(num_fields):
        score = rng.uniform(0.02, 0.98, 100)
        label = rng.integers(0, 6, 100)
        made.append(field(score, label, rng.random(100) < score**power))
    return made


def test_detections_are_judged_by_the_cells_under_them() -> None:
    result = field(np.array([0.9, 0.4]), np.array([0, 4]), np.array([True, False]))
    judged = judge_detections([result])
    assert judged.is_cell.tolist() == judged.is_class.tolist() == [True, False]
    bins = bin_scores(judged, num_bins=2)
    assert [(score_bin.num, score_bin.cell_fraction) for score_bin in bins] == [(1, 0.0), (1, 1.0)]
    assert calibration_error(bins) == pytest.approx((0.4 + 0.1) / 2)


def test_a_cell_of_another_class_is_a_cell_but_not_of_the_class() -> None:
    result = field(np.array([0.9]), np.array([4]), np.array([True]))
    result.true_label[:] = 2
    judged = judge_detections([result])
    assert (judged.is_cell.tolist(), judged.is_class.tolist()) == ([True], [False])


def test_no_detections_have_no_error_and_leave_scores_as_they_are() -> None:
    assert calibration_error(bin_scores(judge_detections([]))) == 0
    same = fit_calibration([], BETHESDA)
    assert same.apply(np.array([0.2, 0.7]), np.array([0, 5])) == pytest.approx([0.2, 0.7])


def test_honest_scores_have_hardly_any_error_and_are_left_alone() -> None:
    fields = draw_fields(power=1.0)
    assert calibration_error(bin_scores(judge_detections(fields))) < 0.03
    fitted = fit_calibration(fields, BETHESDA)
    assert fitted.slopes == pytest.approx((1.0,) * 6, abs=0.15)
    assert fitted.offsets == pytest.approx((0.0,) * 6, abs=0.15)


def test_the_fitted_map_takes_most_of_the_error_away() -> None:
    fields = draw_fields(power=2.5)
    judged = judge_detections(fields)
    before = calibration_error(bin_scores(judged))
    fitted = fit_calibration(fields, BETHESDA)
    score = fitted.apply(judged.score, judged.label)
    mapped = Judged(score, judged.label, judged.is_cell, judged.is_class)
    after = calibration_error(bin_scores(mapped))
    assert before > 0.15
    assert after < before / 3


@settings(deadline=None, max_examples=30)
@given(
    seen=st.lists(st.tuples(scores, st.integers(0, 5), st.booleans()), min_size=1, max_size=30),
    pair=st.tuples(scores, scores),
)
def test_whatever_is_fitted_rises_and_stays_a_probability(
    seen: list[tuple[float, int, bool]], pair: tuple[float, float]
) -> None:
    score, label, right = (np.array(column) for column in zip(*seen, strict=True))
    fitted = fit_calibration([field(score, label, right)], BETHESDA)
    for label in range(6):
        low, high = fitted.apply(np.array(sorted(pair)), np.array([label, label]))
        assert 0 <= low <= high <= 1


@given(st.lists(st.tuples(scores, st.booleans()), min_size=1, max_size=50))
def test_bins_hold_every_detection_once(seen: list[tuple[float, bool]]) -> None:
    score, right = (
        np.array([score for score, _ in seen]),
        np.array([is_right for _, is_right in seen]),
    )
    bins = bin_scores(Judged(score, np.zeros(len(score), np.int64), right, right))
    assert sum(score_bin.num for score_bin in bins) == len(seen)
    assert all(score_bin.low <= score_bin.mean_score <= score_bin.high for score_bin in bins)
    assert 0 <= calibration_error(bins) <= 1


def test_classes_of_one_side_share_a_map() -> None:
    fitted = fit_calibration(draw_fields(power=2.0, num_fields=5), BETHESDA)
    assert len(set(fitted.slopes[1:])) == len(set(fitted.offsets[1:])) == 1
    assert isinstance(fitted, Calibration)
