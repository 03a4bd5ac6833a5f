"""A map from a detector's score to the probability that it is right, and its fit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.classes import CellClass
from models.measure.metrics import FieldResult
from models.measure.reliability import Outcome, judge_detections

#: Scores are kept this far from 0 and 1, where the logit has no end.
EDGE = 1e-6
#: Draws a map towards the identity where detections are few.
PENALTY = 0.5
#: A higher score is never worth less, and never nothing more.
MIN_SLOPE = 1e-3


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

    def least_score(self, probability: NDArray[np.floating]) -> NDArray[np.float64]:
        """(C,) the least score with which each class has its (C,) probability; 0 where any has."""
        logit = (_logit(probability) - np.asarray(self.offsets)) / np.asarray(self.slopes)
        score = _sigmoid(logit)
        return np.where(score <= EDGE, 0.0, score)


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
    abnormal = np.array([cell_class.is_abnormal for cell_class in classes], bool)
    maps = {
        side: _fit_logistic(judged.score[mine], right[mine])
        for side in (False, True)
        for mine in [abnormal[judged.label] == side]
    }
    return Calibration(
        slopes=tuple(maps[cell_class.is_abnormal][0] for cell_class in classes),
        offsets=tuple(maps[cell_class.is_abnormal][1] for cell_class in classes),
    )


def _fit_logistic(score: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset; 1 and 0 without detections."""
    logit = _logit(score)

    def cost(parameters: NDArray[np.float64]) -> float:
        slope, offset = parameters
        z = offset + slope * logit
        loss = np.logaddexp(0.0, np.where(right, -z, z)).sum()
        return float(loss + PENALTY * ((slope - 1) ** 2 + offset**2))

    fit = minimize(
        cost, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(MIN_SLOPE, None), (None,) * 2]
    )
    return float(fit.x[0]), float(fit.x[1])


def _logit(score: NDArray[np.floating]) -> NDArray[np.float64]:
    kept = np.clip(np.asarray(score, np.float64), EDGE, 1 - EDGE)
    return np.asarray(np.log(kept / (1 - kept)), np.float64)


def _sigmoid(value: NDArray[np.float64]) -> NDArray[np.float64]:
    # tanh, unlike 1 / (1 + exp(-x)), cannot overflow.
    return np.asarray(0.5 * (1 + np.tanh(0.5 * value)), np.float64)
