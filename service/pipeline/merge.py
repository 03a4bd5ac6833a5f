"""One cell, one detection: merges what overlapping tiles and several classes say of the same cell.

Class-agnostic, best score wins; the outcome depends on the set of detections alone, not on their
order or on how the slide was tiled.
"""

import numpy as np
import shapely
from numpy.typing import NDArray

from service.pipeline.types import Detections, Tile

#: A cell at a seam may be centred on one side by one tile and on the other by the next; both are
#: kept for merging if they lie this near. Four times what our detectors' centres jitter.
SEAM_MARGIN_UM = 4.0


def keep_owned(detections: Detections, tiles: dict[int, Tile], margin_px: float) -> Detections:
    """Those whose centre lies in the core of the tile they were found in, or just outside.

    Args:
        detections: level-0 px; `tile_index` counts in the whole plan.
        tiles: by their index.
        margin_px: level-0 px around each core.
    """
    if not len(detections):
        return detections
    centre = (detections.bbox_xyxy[:, :2].astype(np.float64) + detections.bbox_xyxy[:, 2:]) / 2
    core = np.array([tiles[int(index)].core_xyxy for index in detections.tile_index])
    inside = (centre >= core[:, :2] - margin_px) & (centre < core[:, 2:] + margin_px)
    return detections.take(np.asarray(inside.all(axis=1)))


def merge_detections(detections: Detections, iou_threshold: float) -> Detections:
    """One detection per cell, descending score.

    Args:
        detections: of all tiles, level-0 px.
        iou_threshold: boxes that overlap by more are one cell, whatever their classes.
    """
    ordered = detections.take(_order(detections))
    kept = merge_boxes(ordered.bbox_xyxy, iou_threshold)
    return ordered.take(kept)


def merge_boxes(bbox_xyxy: NDArray[np.float32], iou_threshold: float) -> NDArray[np.int64]:
    """Indices of boxes kept by greedy non-maximum suppression.

    Args:
        bbox_xyxy: (N, 4) float32, level-0 px, best first.
        iou_threshold: a box that overlaps a kept one by more is dropped.

    Returns:
        (K,) int64, ascending; empty in, empty out.
    """
    first, second = _overlapping_pairs(bbox_xyxy, iou_threshold)
    alive = np.ones(len(bbox_xyxy), np.bool_)
    # Pairs are sorted by their better box: when its turn comes, its own fate is settled.
    for better, worse in zip(first.tolist(), second.tolist(), strict=True):
        if alive[better]:
            alive[worse] = False
    return np.flatnonzero(alive)


def _order(detections: Detections) -> NDArray[np.int64]:
    """Descending score; ties by place and class, so that the order of tiles does not matter."""
    x1, y1, x2, y2 = detections.bbox_xyxy.T
    return np.lexsort((detections.label, y2, x2, y1, x1, -detections.score)).astype(np.int64)


def _overlapping_pairs(
    bbox_xyxy: NDArray[np.float32], iou_threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of boxes whose IoU is above the threshold, better one first, sorted by it."""
    boxes = bbox_xyxy.astype(np.float64)
    tree = shapely.STRtree(shapely.box(*boxes.T))
    first, second = tree.query(tree.geometries)
    ahead = first < second
    first, second = first[ahead], second[ahead]
    low = np.maximum(boxes[first, :2], boxes[second, :2])
    high = np.minimum(boxes[first, 2:], boxes[second, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    over = shared > iou_threshold * (area[first] + area[second] - shared)
    first, second = first[over], second[over]
    order = np.lexsort((second, first))
    return first[order].astype(np.int64), second[order].astype(np.int64)
