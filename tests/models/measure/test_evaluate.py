"""Evaluation: perfect detections score 1, and merging follows what the product reports."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.calibrate.thresholds import choose_thresholds
from models.classes import BETHESDA
from models.data.coco import read_coco
from models.detector import Detections, TileBatch, no_detections
from models.measure.evaluate import detect_fields, evaluate, merge_cells
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


def test_perfect_detections_score_one_in_everything(tmp_path: Path) -> None:
    fields = read_coco(write_fields(tmp_path, 3))
    answers = [
        Detections(
            field.bbox_xyxy * np.float32(field.mpp / 0.5 if field.mpp else 1),
            np.linspace(0.5, 0.9, len(field.label)).astype(np.float32),
            field.label,
            np.zeros(len(field.label), np.int32),
            np.full((len(field.label), len(TWO)), 0.5, np.float32),
        )
        for field in fields.fields
    ]
    results = detect_fields(Oracle(answers), fields)
    content = evaluate(results, TWO, (0.1, 0.1), 0.9).to_json()
    for key in ("map50", "any_cell_ap50", "abnormal_ap50"):
        assert content[key] == pytest.approx(1.0)
    assert content["ap50"] == pytest.approx({"NILM": 1.0, "HSIL": 1.0})
    assert content["normal_vs_abnormal"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert (content["num_images"], content["num_cells"]) == (3, 18)


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
