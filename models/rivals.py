"""Second opinions on one cell made humble: a box that a better one covers loses score.

A dense head with one classifier per class reports a doubtful cell once as LSIL and once as ASC-US.
As rivals for that cell both stand high among all abnormal cells, though one at the most is right.
"""

import numpy as np
from numpy.typing import NDArray

#: Boxes that overlap by more are taken for one cell.
SAME_CELL_IOU = 0.6


def demote_rivals(
    bbox_xyxy: NDArray[np.float32], score: NDArray[np.float32], power: float
) -> NDArray[np.float32]:
    """Scores in which a cell's second and further opinions are discounted: s · (s / s_best)^power.

    Which opinion is best does not change; one that counted only because its class has a lower
    threshold may fall below it. So thresholds are chosen on scores that are discounted already.

    Args:
        bbox_xyxy: (N, 4) of one tile, in any frame.
        score: (N,) in [0, 1].
        power: 0 leaves scores as they are.

    Returns:
        (N,) float32, none above what it was.
    """
    if power == 0 or not len(score):
        return score
    order = np.argsort(-score, kind="stable")
    boxes, ordered = bbox_xyxy[order].astype(np.float64), score[order].astype(np.float64)
    covers = np.tril(_overlap(boxes) > SAME_CELL_IOU, -1)
    best = np.where(covers.any(axis=1), covers.argmax(axis=1), np.arange(len(order)))
    share = ordered / np.maximum(ordered[best], np.finfo(np.float64).tiny)
    found = np.empty_like(score)
    found[order] = ordered * share**power
    return found


def _overlap(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, N) intersection over union."""
    low = np.maximum(boxes[:, None, :2], boxes[:, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    union = area[:, None] + area - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float64).tiny))
