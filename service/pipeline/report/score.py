"""The slide score: how abnormal a slide is, from 0 to 1.

    score = 1 / (1 + exp(-(intercept + slope * ln((A + prior_abnormal) / (N + prior_total)))))
    A = sum over classes of class_weight * count,   N = all cells

At a fixed N it grows with every cell that changes to a class of larger weight; weights do not fall
with severity. The priors are the weighted false alarms expected where nothing is abnormal.
"""

import math

import numpy as np
from numpy.typing import NDArray

from service.pipeline.types import SlideScoreModel


def abnormality_score(counts: NDArray[np.int64], model: SlideScoreModel) -> float | None:
    """The slide score, in [0, 1]; None where no cell was seen. Formula above.

    Args:
        counts: (C,) cells by class.
        model: fitted coefficients.
    """
    total = int(counts.sum())
    if total == 0:
        return None
    weighted = float(np.dot(counts, model.class_weights))
    share = (weighted + model.prior_abnormal) / (total + model.prior_total)
    # tanh, unlike 1 / (1 + exp(-x)), cannot overflow.
    return 0.5 * (1 + math.tanh(0.5 * (model.intercept + model.slope * math.log(share))))
