"""How often a detection of a score is right.

Pure functions of fields with merged detections; which figures are shown is left to the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.measure.metrics import FieldResult, pair_cells

NUM_BINS = 10

Outcome = Literal["cell", "class"]


@dataclass(frozen=True)
class Judged:
    """D detections of all fields.

    Attributes:
        score: (D,) float64.
        label: (D,) int64.
        is_cell: (D,) bool, whether a labelled cell of any class is there.
        is_class: (D,) bool, whether that cell is of the detection's class.
    """

    score: NDArray[np.float64]
    label: NDArray[np.int64]
    is_cell: NDArray[np.bool_]
    is_class: NDArray[np.bool_]

    def take(self, index: NDArray[np.bool_]) -> "Judged":
        """Those at `index`, (D,) bool."""
        return Judged(
            self.score[index], self.label[index], self.is_cell[index], self.is_class[index]
        )


@dataclass(frozen=True)
class Bin:
    """Detections of about one score.

    Attributes:
        low, high: scores of the bin; `high` is in the next one.
        num: detections.
        mean_score: of them.
        cell_fraction: of them, how many are a labelled cell of any class.
        class_fraction: how many are one of the class they name.
    """

    low: float
    high: float
    num: int
    mean_score: float
    cell_fraction: float
    class_fraction: float


def judge_detections(results: Sequence[FieldResult]) -> Judged:
    """Which detections are right: paired with a labelled cell one to one, within 10 µm.

    Args:
        results: merged and at thresholds, one detection to a cell.

    Raises:
        ValueError: a field does not state its µm/px.
    """
    parts = []
    for result in results:
        pairs = pair_cells(result)
        is_cell, is_class = np.zeros((2, len(result.label)), np.bool_)
        is_cell[pairs[:, 1]] = True
        same = result.true_label[pairs[:, 0]] == result.label[pairs[:, 1]]
        is_class[pairs[:, 1]] = same
        parts.append((result.score, result.label, is_cell, is_class))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else []
    score, label, cell, right = columns or [np.zeros(0) for _ in range(4)]
    return Judged(
        score.astype(np.float64), label.astype(np.int64), cell.astype(bool), right.astype(bool)
    )


def bin_scores(judged: Judged, num_bins: int = NUM_BINS) -> list[Bin]:
    """Detections by score, in bins of equal width over 0-1; empty bins are left out."""
    place = np.minimum((judged.score * num_bins).astype(np.int64), num_bins - 1)
    return [
        Bin(
            low=float(index / num_bins),
            high=float((index + 1) / num_bins),
            num=int((place == index).sum()),
            mean_score=float(judged.score[place == index].mean()),
            cell_fraction=float(judged.is_cell[place == index].mean()),
            class_fraction=float(judged.is_class[place == index].mean()),
        )
        for index in np.unique(place)
    ]


def calibration_error(bins: Sequence[Bin], outcome: Outcome = "class") -> float:
    """Expected calibration error, 0-1: mean distance of score and fraction, by detections.

    Source: Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI
    2015, section 2.
    """
    total = sum(score_bin.num for score_bin in bins)
    off = (
        score_bin.num * abs(score_bin.mean_score - _fraction(score_bin, outcome))
        for score_bin in bins
    )
    return sum(off) / total if total else 0.0


def _fraction(score_bin: Bin, outcome: Outcome) -> float:
    return score_bin.cell_fraction if outcome == "cell" else score_bin.class_fraction
