"""From candidates to cells: boxes of one cell are grouped once, whatever their classes.

A group keeps the box of its best candidate and, of each class, the best score; how those scores are
combined is left to `models/inference/joined_scores.py`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.inference.dense_reading import Candidates


@dataclass(frozen=True)
class Cells:
    """K cells of one tile.

    Attributes:
        bbox_xyxy: (K, 4) float32, tile px.
        class_scores: (K, C) float32, the best score of each class.
    """

    bbox_xyxy: NDArray[np.float32]
    class_scores: NDArray[np.float32]


def group_candidates(candidates: Candidates, iou_threshold: float, min_score: float = 0.0) -> Cells:
    """The cells that candidates are of.

    Args:
        candidates: of one tile.
        iou_threshold: candidates that overlap the best one of a cell by more are of that cell.
        min_score: cells whose best score is below it are left out.
    """
    score = candidates.class_scores.max(axis=1)
    cell = group_boxes(candidates.bbox_xyxy, score, iou_threshold, min_score)
    in_cell = np.flatnonzero(cell >= 0)
    by_cell = in_cell[np.argsort(cell[in_cell], kind="stable")]
    best, start = np.unique(cell[by_cell], return_index=True)
    if not len(best):
        return Cells(candidates.bbox_xyxy[:0], candidates.class_scores[:0])
    class_scores = np.maximum.reduceat(candidates.class_scores[by_cell], start)
    return Cells(candidates.bbox_xyxy[best], class_scores)


def group_boxes(
    bbox_xyxy: NDArray[np.float32],
    score: NDArray[np.float32],
    iou_threshold: float,
    min_score: float = 0.0,
) -> NDArray[np.int64]:
    """Each box's cell, named by the index of the cell's best box; -1 where it has none.

    Greedy: the best box that has no cell yet begins one, and takes all others without a cell that
    overlap it by more than the threshold. Memory grows with N, not with N².

    Args:
        bbox_xyxy: (N, 4), x1 < x2 and y1 < y2.
        score: (N,); ties are broken by place, so that the order of boxes does not matter.
        iou_threshold: in [0, 1].
        min_score: no cell begins with a box below it.

    Returns:
        (N,) int64.

    Source: greedy non-maximum suppression, which keeps exactly the best boxes.
    """
    by_x = np.argsort(bbox_xyxy[:, 0] + bbox_xyxy[:, 2], kind="stable")
    x1, y1, x2, y2 = np.ascontiguousarray(bbox_xyxy[by_x].T)
    area = (x2 - x1) * (y2 - y1)
    begins = np.flatnonzero(score[by_x] >= min_score)
    by_score = np.lexsort((y2[begins], x2[begins], y1[begins], x1[begins], -score[by_x[begins]]))
    first, last = _find_windows((x1 + x2) / 2, x2 - x1, iou_threshold)
    cell = np.full(len(by_x), -1)
    for best in begins[by_score].tolist():
        if cell[best] >= 0:
            continue
        near = slice(first[best], last[best])
        width = np.minimum(x2[near], x2[best]) - np.maximum(x1[near], x1[best])
        height = np.minimum(y2[near], y2[best]) - np.maximum(y1[near], y1[best])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        over = shared > iou_threshold * (area[near] + area[best] - shared)
        cell[near][over & (cell[near] < 0)] = best
        cell[best] = best
    grouped = np.full(len(cell), -1)
    grouped[by_x] = np.where(cell >= 0, by_x[cell], -1)
    return grouped


def _find_windows(
    centre: NDArray[np.float32], width: NDArray[np.float32], iou_threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each box, the first and last + 1 of those that may overlap it by more than the threshold.

    Intersection over union above t asks for widths that differ by less than a factor of t, and so
    for centres less than max(1 - t, (1 - t) / 2t) widths apart.

    Args:
        centre: (N,) ascending.
        width: (N,).
        iou_threshold: t.
    """
    t = max(iou_threshold, 1e-6)
    reach = width * np.float32((1 - t) * max(1.0, 0.5 / t) + 1e-3)  # a little more, for rounding
    return (
        np.searchsorted(centre, centre - reach, "left"),
        np.searchsorted(centre, centre + reach, "right"),
    )
