"""What a detector's score is worth: how often a detection of a score is right, and a map to that.

Pure functions of fields with merged detections; which figures are shown is left to the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.classes import CellClass
from models.metrics import FieldResult, pair_cells

NUM_BINS = 10
#: Scores are kept this far from 0 and 1, where the logit has no end.
EDGE = 1e-6
#: Draws a map towards the identity where detections are few.
PENALTY = 0.5
#: A higher score is never worth less, and never nothing more.
MIN_SLOPE = 1e-3

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


@dataclass(frozen=True)
class Calibration:
    """Probability that a detection is right: sigmoid(offset + slope * logit(score)).

    Attributes:
        slopes: one per class, not negative, so that a higher score is never worth less.
        offsets: one per class.
    """

    slopes: tuple[float, ...]
    offsets: tuple[float, ...]

    def apply(self, score: NDArray[np.floating], label: NDArray[np.integer]) -> NDArray[np.float64]:
        """(D,) float64 in [0, 1].

        Args:
            score: (D,) in [0, 1].
            label: (D,) class of each.
        """
        slope, offset = np.asarray(self.slopes)[label], np.asarray(self.offsets)[label]
        return _sigmoid(offset + slope * _logit(score))


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
            low=float(one / num_bins),
            high=float((one + 1) / num_bins),
            num=int((place == one).sum()),
            mean_score=float(judged.score[place == one].mean()),
            cell_fraction=float(judged.is_cell[place == one].mean()),
            class_fraction=float(judged.is_class[place == one].mean()),
        )
        for one in np.unique(place)
    ]


def calibration_error(bins: Sequence[Bin], outcome: Outcome = "class") -> float:
    """Expected calibration error, 0-1: mean distance of score and fraction, by detections.

    Source: Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI
    2015, section 2.
    """
    total = sum(one.num for one in bins)
    off = (one.num * abs(one.mean_score - _fraction(one, outcome)) for one in bins)
    return sum(off) / total if total else 0.0


def fit_calibration(
    results: Sequence[FieldResult],
    classes: Sequence[CellClass],
    outcome: Outcome = "class",
) -> Calibration:
    """A map from score to probability, one for normal and one for abnormal classes.

    Args:
        results: merged and at thresholds, of fields that the detector did not learn from.
        classes: in label order.
        outcome: what counts as right: a cell of any class, or one of the class named.

    Raises:
        ValueError: a field does not state its µm/px.

    Source: Platt, Probabilistic Outputs for Support Vector Machines, 1999, on the score's logit.
    """
    judged = judge_detections(results)
    right = judged.is_cell if outcome == "cell" else judged.is_class
    abnormal = np.array([one.is_abnormal for one in classes], bool)
    maps = {
        side: _fit_logistic(judged.score[mine], right[mine])
        for side in (False, True)
        for mine in [abnormal[judged.label] == side]
    }
    return Calibration(
        slopes=tuple(maps[one.is_abnormal][0] for one in classes),
        offsets=tuple(maps[one.is_abnormal][1] for one in classes),
    )


def _fit_logistic(score: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset; 1 and 0 without detections."""
    logit = _logit(score)

    def cost(parameters: NDArray[np.float64]) -> float:
        slope, offset = parameters
        z = offset + slope * logit
        loss = np.logaddexp(0.0, np.where(right, -z, z)).sum()
        return float(loss + PENALTY * ((slope - 1) ** 2 + offset**2))

    found = minimize(
        cost, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(MIN_SLOPE, None), (None,) * 2]
    )
    return float(found.x[0]), float(found.x[1])


def _fraction(one: Bin, outcome: Outcome) -> float:
    return one.cell_fraction if outcome == "cell" else one.class_fraction


def _logit(score: NDArray[np.floating]) -> NDArray[np.float64]:
    kept = np.clip(np.asarray(score, np.float64), EDGE, 1 - EDGE)
    return np.asarray(np.log(kept / (1 - kept)), np.float64)


def _sigmoid(value: NDArray[np.float64]) -> NDArray[np.float64]:
    # tanh, unlike 1 / (1 + exp(-x)), cannot overflow.
    return np.asarray(0.5 * (1 + np.tanh(0.5 * value)), np.float64)
