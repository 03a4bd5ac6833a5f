"""A picture of what a detector's scores are worth: fraction right against score, PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.calibrate.probability import Calibration
from models.classes import CellClass
from models.measure.metrics import FieldResult
from models.measure.reliability import Bin, Judged, bin_scores, calibration_error, judge_detections

DPI = 110


def draw_reliability(
    path: Path,
    results: Sequence[FieldResult],
    classes: Sequence[CellClass],
    calibration: Calibration | None = None,
) -> None:
    """Writes the diagram, one panel for normal and one for abnormal classes.

    Args:
        path: of the PNG.
        results: merged and at thresholds, of fields that the detector did not learn from.
        classes: in label order.
        calibration: also drawn, where given.

    Raises:
        ValueError: a field does not state its µm/px.
    """
    judged = judge_detections(results)
    abnormal = np.array([cell_class.is_abnormal for cell_class in classes], bool)
    figure = Figure(figsize=(9.0, 4.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, side in zip(panels, (False, True), strict=True):
        name = "abnormal classes" if side else "normal classes"
        _draw_side(panel, name, judged.take(abnormal[judged.label] == side))
        labels = np.flatnonzero(abnormal == side)
        if calibration is not None and len(labels):
            score = np.linspace(0.01, 0.99, 99)
            fitted = calibration.apply(score, np.full(len(score), labels[0]))
            panel.plot(score, fitted, color="#c62828", lw=1, label="fitted map")
        panel.legend(fontsize=7, loc="upper left")
    panels[0].set_ylabel("fraction right")
    figure.savefig(path, dpi=DPI)


def _draw_side(panel: Axes, name: str, judged: Judged) -> None:
    bins = bin_scores(judged)
    panel.plot([0, 1], [0, 1], color="#9e9e9e", lw=0.8, ls="--")
    score = [score_bin.mean_score for score_bin in bins]
    panel.plot(score, [score_bin.cell_fraction for score_bin in bins], "o-", ms=4, label="any cell")
    panel.plot(
        score, [score_bin.class_fraction for score_bin in bins], "s-", ms=4, label="right class"
    )
    for score_bin in bins:
        panel.annotate(str(score_bin.num), (score_bin.mean_score, 0.01), fontsize=6, ha="center")
    panel.set(xlim=(0, 1), ylim=(0, 1), xlabel="score (small figures: detections)")
    panel.set_title(f"{name}: {_describe(bins)}", fontsize=9)


def _describe(bins: Sequence[Bin]) -> str:
    total = sum(score_bin.num for score_bin in bins)
    return (
        f"{total} detections\ncalibration error {calibration_error(bins, 'cell'):.3f} (any cell), "
        f"{calibration_error(bins, 'class'):.3f} (right class)"
    )
