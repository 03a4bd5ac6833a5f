"""Evaluation: perfect detections score 1, and merging follows what the product reports."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.calibrate.thresholds import choose_thresholds
from models.classes import BETHESDA
from models.data.coco import Field, read_coco
from models.detector import Detections, TileBatch, no_detections, spread_scores
from models.measure.evaluate import MIN_SCORE, detect_fields, evaluate, merge_cells
from models.measure.metrics import FieldResult
from tests.fake_detector import FakeDetector
from tests.models.small_training import write_fields

TWO = (BETHESDA[0], BETHESDA[4])


class Oracle(FakeDetector):
    """Knows every field's cells in advance, in the order in which they are asked for."""

    def __init__(self, answers: list[Detections]) -> None:
        empty = no_detections(len(TWO))
        super().__init__(empty.bbox_xyxy, empty.label, empty.score)
        self.info = replace(self.info, classes=TWO)
        self._answers = answers

    def detect(self, batch: TileBatch) -> Detections:
        assert batch.pixels.shape[1] % 32 == 0
        return self._answers.pop(0)


def answer(field: Field) -> Detections:
    """The labelled cells, in tile px."""
    score = np.linspace(0.5, 0.9, len(field.label)).astype(np.float32)
    return Detections(
        field.bbox_xyxy * np.float32(field.mpp / 0.5 if field.mpp else 1),
        score,
        field.label,
        np.zeros(len(field.label), np.int32),
        spread_scores(score, field.label, len(TWO)),
    )


def test_perfect_detections_score_one_in_everything(tmp_path: Path) -> None:
    fields = read_coco(write_fields(tmp_path, 3))
    answers = [answer(field) for field in fields.fields]
    results = detect_fields(Oracle(answers), fields)
    content = evaluate(results, TWO, (0.1, 0.1), 0.9).to_json()
    for key in ("map50", "any_cell_ap50", "abnormal_ap50"):
        assert content[key] == pytest.approx(1.0)
    assert content["ap50"] == pytest.approx({"NILM": 1.0, "HSIL": 1.0})
    assert content["normal_vs_abnormal"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert (content["num_images"], content["num_cells"]) == (3, 18)


def test_every_class_of_a_cell_is_a_detection_where_it_may_be_right(tmp_path: Path) -> None:
    fields = read_coco(write_fields(tmp_path, 1))
    perfect = answer(fields.fields[0])
    doubtful = np.where(perfect.class_scores > 0, perfect.class_scores, np.float32(0.2))
    doubtful[0, 1 - perfect.label[0]] = MIN_SCORE / 2
    (seen,) = detect_fields(Oracle([replace(perfect, class_scores=doubtful)]), fields)
    assert len(seen.label) == 2 * len(perfect) - 1
    for label in range(len(TWO)):
        of_class = np.sort(seen.score[seen.label == label])
        expected = doubtful[doubtful[:, label] >= MIN_SCORE, label]
        np.testing.assert_allclose(of_class, np.sort(expected))
    merged = merge_cells(seen, (0.1, 0.1), 0.9)
    assert sorted(merged.score.tolist()) == pytest.approx(sorted(perfect.score.tolist()))
    assert np.bincount(merged.label).tolist() == np.bincount(perfect.label).tolist()


def result(scores: list[float], labels: list[int], shift: list[float]) -> FieldResult:
    box = np.array([[10 + s, 10, 50 + s, 50] for s in shift], np.float32)
    return FieldResult(
        true_bbox_xyxy=np.array([[10, 10, 50, 50]], np.float32),
        true_label=np.array([1], np.int16),
        true_centre_xy=np.array([[30, 30]], np.float32),
        bbox_xyxy=box,
        label=np.array(labels, np.int16),
        score=np.array(scores, np.float32),
        mpp=0.5,
    )


def test_a_cell_called_two_things_is_reported_once_at_its_better_score() -> None:
    merged = merge_cells(result([0.5, 0.8], [0, 1], [0.0, 2.0]), (0.1, 0.1), 0.5)
    assert merged.label.tolist() == [1]


def test_thresholds_act_before_merging_class_by_class() -> None:
    merged = merge_cells(result([0.5, 0.8], [0, 1], [0.0, 2.0]), (0.1, 0.9), 0.5)
    assert merged.label.tolist() == [0]


def test_chosen_thresholds_keep_the_right_and_drop_the_wrong() -> None:
    good = result([0.6, 0.3], [1, 1], [0.0, 300.0])
    thresholds = choose_thresholds([good], TWO, 0.5)
    assert 0.3 < thresholds[1] <= 0.6
