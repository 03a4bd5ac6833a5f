"""The slide score: how abnormal a slide is, from 0 to 1.

With N cells in all, the score is the larger of two logistic terms, 1 / (1 + exp(-z)):

    z = intercept + slope * ln((A + prior_abnormal) / (N + prior_total))
    A = sum over cells of (weight of the cell's class) * (the cell's score) ** certainty_power

Both have coefficients of their own. The first one sees many abnormal cells of any grade. In the
second one the weights are of severe classes and there is no prior_abnormal, so that a few cells
suffice of which the detector is certain, and without any it says nothing. At a fixed N both grow
with every cell that changes to a class of larger weight or that is more certain; weights do not
fall with severity. The priors are the weighted false alarms expected where nothing is abnormal.
Bundles without a second term have the first alone, and those without `certainty_power` count all
cells of a class alike.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.pipeline.types import SlideScoreModel


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
    mass = [
        sum_certainty(label, score, len(model.class_weights), power) for power in list_powers(model)
    ]
    return float(score_slides(np.asarray(len(label)), mass, model))


def list_powers(model: SlideScoreModel) -> tuple[float, ...]:
    """The certainty power of each of the model's terms, one or two."""
    if model.severe is None:
        return (model.certainty_power,)
    return (model.certainty_power, model.severe.certainty_power)


def sum_certainty(
    label: NDArray[np.integer], score: NDArray[np.floating], num_classes: int, power: float
) -> NDArray[np.float64]:
    """(C,) by class, the sum over its cells of score ** power."""
    certainty = score.astype(np.float64) ** power
    sums = np.bincount(label, weights=certainty, minlength=num_classes)
    return np.asarray(sums, np.float64)


def score_slides(
    num_cells: NDArray[np.integer], mass: Sequence[NDArray[np.float64]], model: SlideScoreModel
) -> NDArray[np.float64]:
    """(...,) scores of slides by their sums; NaN for a slide without cells.

    Args:
        num_cells: (...,) in all.
        mass: for each of `list_powers(model)`, (..., C) from `sum_certainty`.
        model: fitted coefficients.
    """
    share = (mass[0] @ np.asarray(model.class_weights) + model.prior_abnormal) / (
        num_cells + model.prior_total
    )
    z = model.intercept + model.slope * np.log(share)
    severe = model.severe
    if severe is not None:
        share = mass[1] @ np.asarray(severe.class_weights) / (num_cells + severe.prior_total)
        with np.errstate(divide="ignore"):  # without a severe cell the logarithm is -inf
            z = np.maximum(z, severe.intercept + severe.slope * np.log(share))
    # tanh, unlike 1 / (1 + exp(-x)), cannot overflow.
    return np.where(num_cells > 0, 0.5 * (1 + np.tanh(0.5 * z)), np.nan)
