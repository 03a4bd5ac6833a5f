"""Several opinions on one cell made one: those of one side add up, rivals lose score.

A dense head with one classifier per class reports a doubtful cell once as LSIL and once as ASC-US.
Both say that it is abnormal, so the better of them is surer of that than it knows (`side_support`).
As rivals for that cell both would stand high among all abnormal cells, though one at the most is
right, so the other one is discounted (`rival_power`).

Shape letters: N boxes of one tile, C classes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Boxes that overlap by more are taken for one cell.
SAME_CELL_IOU = 0.6
#: Where a score of 1 stands for its logarithm: there is no doubt left to share.
TOP = 1 - 1e-12


def weigh_opinions(
    bbox_xyxy: NDArray[np.float32],
    score: NDArray[np.float32],
    label: NDArray[np.int16],
    is_abnormal: Sequence[bool],
    side_support: float,
    rival_power: float,
) -> NDArray[np.float32]:
    """Scores with which a cell stands high once, as the likeliest class of its likelier side.

    Boxes that overlap a better one are opinions on one cell. Its side, normal or abnormal, is worth
    t = 1 - (1 - s_1)·Π(1 - side_support·s_i), s_1 being the side's best score and s_i the best of
    each of its other classes. An opinion of score s gets

        t·(s / s_1)^(1 + rival_power)·(t / t_better)^rival_power

    t_better being the better side's worth: the likelier side's best opinion gets t, and the others
    are discounted. With side_support 0 that is s·(s / s_best)^rival_power.

    Thresholds and maps to probabilities are chosen on scores that are weighed already.

    Args:
        bbox_xyxy: (N, 4) of one tile, in any frame.
        score: (N,) in [0, 1].
        label: (N,).
        is_abnormal: (C,) the side of each class.
        side_support: how far opinions of one side add up: 0 not at all, 1 as if independent.
        rival_power: how much second opinions are discounted, 0 not at all.

    Returns:
        (N,) float32 in [0, 1]; the order within a side of a cell does not change.
    """
    if not len(score) or (side_support == 0 and rival_power == 0):
        return score
    own = score.astype(np.float64)
    cell = _group(bbox_xyxy, own)
    abnormal = np.asarray(is_abnormal, np.int64)
    side = 2 * cell + abnormal[label]
    best = np.zeros(2 * len(score))
    np.maximum.at(best, side, own)
    worth = _add_up(own, cell * len(abnormal) + label, side, best, side_support)
    better = worth.reshape(-1, 2).max(axis=1)[cell]
    least = np.finfo(np.float64).tiny
    share = own / np.maximum(best[side], least)
    rank = worth[side] / np.maximum(better, least)
    found: NDArray[np.float64] = worth[side] * share ** (1 + rival_power) * rank**rival_power
    return found.astype(np.float32)


def _add_up(
    score: NDArray[np.float64],
    opinion: NDArray[np.int64],
    side: NDArray[np.int64],
    best: NDArray[np.float64],
    side_support: float,
) -> NDArray[np.float64]:
    """(2N,) worth of each side; of several boxes of one class on one cell the best alone counts."""
    distinct, first, index = np.unique(opinion, return_index=True, return_inverse=True)
    each = np.zeros(len(distinct))
    np.maximum.at(each, index, score)
    kept, top = np.minimum(each, TOP), np.minimum(best, TOP)
    doubt = np.bincount(side[first], np.log1p(-side_support * kept), len(best))
    return -np.expm1(doubt + np.log1p(-top) - np.log1p(-side_support * top))


def _group(bbox_xyxy: NDArray[np.float32], score: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,) the cell of each box, named by the index of its best box; best boxes choose first."""
    order = np.argsort(-score, kind="stable")
    overlaps = _overlap(bbox_xyxy[order].astype(np.float64)) > SAME_CELL_IOU
    cell = np.full(len(score), -1)
    for place, index in enumerate(order):
        if cell[index] < 0:
            mine = order[overlaps[place]]
            cell[mine[cell[mine] < 0]] = index
            cell[index] = index
    return cell


def _overlap(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, N) intersection over union."""
    low = np.maximum(boxes[:, None, :2], boxes[:, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    union = area[:, None] + area - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float64).tiny))
