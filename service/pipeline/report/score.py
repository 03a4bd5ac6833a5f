"""The slide score: how abnormal a slide is, from 0 to 1.

With N cells in all, the score is the larger of two logistic terms, 1 / (1 + exp(-z)):

    z_share  = intercept + slope * ln((A + prior_abnormal) / (N + prior_total))
    A = sum over cells of the weight of the cell's class

    z_severe = the same with coefficients of its own and S for A
    S = sum over cells of the weight of the cell's class * (the cell's score) ** certainty_power

The first sees many abnormal cells of any grade, the second a few severe ones of which the detector
is certain. At a fixed N both grow with every cell that changes to a class of larger weight; weights
do not fall with severity. The priors are the weighted false alarms expected where nothing is
abnormal. Bundles without a second term have the first alone.
"""

import numpy as np
from numpy.typing import NDArray

from service.pipeline.types import SevereTerm, SlideScoreModel


def abnormality_score(
    label: NDArray[np.integer], score: NDArray[np.floating], model: SlideScoreModel
) -> float | None:
    """The slide score, in [0, 1]; None where no cell was detected. Formula above.

    Args:
        label: (N,) class of each cell.
        score: (N,) of each cell, in [0, 1].
        model: fitted coefficients.
    """
    if not len(label):
        return None
    num_classes = len(model.class_weights)
    counts = np.bincount(label, minlength=num_classes)
    mass = sum_certainty(label, score, num_classes, certainty_power(model))
    return float(score_slides(counts, mass, model))


def certainty_power(model: SlideScoreModel) -> float:
    """By which power of its score the second term weighs a cell; 0 without one."""
    return model.severe.certainty_power if model.severe else 0.0


def sum_certainty(
    label: NDArray[np.integer], score: NDArray[np.floating], num_classes: int, power: float
) -> NDArray[np.float64]:
    """(C,) by class, the sum over its cells of score ** power."""
    certainty = score.astype(np.float64) ** power
    sums = np.bincount(label, weights=certainty, minlength=num_classes)
    return np.asarray(sums, np.float64)


def score_slides(
    counts: NDArray[np.int64], mass: NDArray[np.float64], model: SlideScoreModel
) -> NDArray[np.float64]:
    """(...,) scores of slides by their sums; NaN for a slide without cells.

    Args:
        counts: (..., C) cells by class.
        mass: (..., C) from `sum_certainty` at the second term's power; unused without one.
        model: fitted coefficients.
    """
    total = counts.sum(axis=-1)
    z = _logit_of_term(counts, total, model)
    if model.severe is not None:
        z = np.maximum(z, _logit_of_term(mass, total, model.severe))
    # tanh, unlike 1 / (1 + exp(-x)), cannot overflow.
    return np.where(total > 0, 0.5 * (1 + np.tanh(0.5 * z)), np.nan)


def _logit_of_term(
    by_class: NDArray[np.integer] | NDArray[np.float64],
    total: NDArray[np.int64],
    term: SlideScoreModel | SevereTerm,
) -> NDArray[np.float64]:
    weighted = by_class @ np.asarray(term.class_weights)
    share = (weighted + term.prior_abnormal) / (total + term.prior_total)
    return np.asarray(term.intercept + term.slope * np.log(share), np.float64)
