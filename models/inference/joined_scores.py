"""The scores that a network gives one cell, combined: classes of one side support each other.

A dense head with one classifier per class reports a doubtful cell once as LSIL and once as ASC-US.
Both say that it is abnormal, so the better of the two understates that (`side_support`). As rivals
for that cell both would stand high among all abnormal cells, though one at the most is right, so
the other one is discounted (`rival_power`).

Shape letters: K cells, C classes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Where a score of 1 stands for its logarithm: there is no doubt left to share.
MAX_SCORE = 1 - 1e-12
SMALLEST = np.finfo(np.float64).tiny


def join_scores(
    class_scores: NDArray[np.float32],
    is_abnormal: Sequence[bool],
    side_support: float,
    rival_power: float,
) -> NDArray[np.float32]:
    """Each cell's scores, combined so that it stands high once: as the likeliest class of its side.

    A side, normal or abnormal, has the combined score t = 1 - (1 - s_1)·Π(1 - side_support·s_i),
    s_1 being the best score of its classes and s_i those of its other classes. A class of score s
    gets

        t·(s / s_1)^(1 + rival_power)·(t / t_better)^rival_power

    t_better being the better side's combined score: the likelier side's best class gets t, and the
    others are discounted. With side_support 0 that is s·(s / s_best)^rival_power.

    Thresholds and maps to probabilities are chosen on combined scores.

    Args:
        class_scores: (K, C) in [0, 1], the best score of each class.
        is_abnormal: (C,) the side of each class.
        side_support: how far the classes of one side add up: 0 not at all, 1 as if independent.
        rival_power: how much a cell's other classes are discounted, 0 not at all.

    Returns:
        (K, C) float32 in [0, 1]; the order of classes within a side of a cell does not change.
    """
    if side_support == 0 and rival_power == 0:
        return class_scores
    score = class_scores.astype(np.float64)
    side = np.asarray(is_abnormal, np.int64)
    best, combined = np.zeros((2, len(score))), np.zeros((2, len(score)))
    for index in np.unique(side):
        of_side = score[:, side == index]
        best[index] = of_side.max(axis=1)
        combined[index] = _combine(of_side, best[index], side_support)
    share = score / np.maximum(best[side].T, SMALLEST)
    rank = combined / np.maximum(combined.max(axis=0), SMALLEST)
    joined: NDArray[np.float64] = (
        combined[side].T * share ** (1 + rival_power) * rank[side].T ** rival_power
    )
    return joined.astype(np.float32)


def least_best_score(combined: float, num_classes: int, side_support: float) -> float:
    """The least best score with which a side of so many classes can have a combined score.

    A bound, not always attained: classes count as if each had the best score.
    """
    return combined if side_support == 0 else 1 - (1 - combined) ** (1 / num_classes)


def _combine(
    score: NDArray[np.float64], best: NDArray[np.float64], side_support: float
) -> NDArray[np.float64]:
    """(K,) combined score of a side, from (K, S) scores of its classes and the (K,) best."""
    best = np.minimum(best, MAX_SCORE)
    log_doubt = np.log1p(-side_support * np.minimum(score, MAX_SCORE)).sum(axis=1)
    log_doubt += np.log1p(-best) - np.log1p(-side_support * best)
    return np.asarray(-np.expm1(log_doubt))
