"""The reliability diagram is a PNG, with and without detections or a fitted map."""

from pathlib import Path

import cv2
import numpy as np

from models.calibrate.probability import fit_calibration
from models.classes import BETHESDA
from models.measure.metrics import FieldResult
from models.measure.reliability_plot import draw_reliability


def test_diagram_is_written_with_a_map_and_without_any_detection(tmp_path: Path) -> None:
    bbox = np.array([[0, 0, 40, 40], [100, 0, 140, 40]], np.float32)
    result = FieldResult(
        true_bbox_xyxy=bbox[:1],
        true_label=np.array([0], np.int16),
        true_centre_xy=np.array([[20, 20]], np.float32),
        bbox_xyxy=bbox,
        label=np.array([0, 4], np.int16),
        score=np.array([0.8, 0.3], np.float32),
        mpp=0.25,
    )
    draw_reliability(tmp_path / "a.png", [result], BETHESDA, fit_calibration([result], BETHESDA))
    draw_reliability(tmp_path / "b.png", [], BETHESDA)
    for name in ("a.png", "b.png"):
        assert min(cv2.imread(str(tmp_path / name)).shape[:2]) > 300
