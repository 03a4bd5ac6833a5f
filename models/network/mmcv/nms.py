"""Greedy non-maximum suppression, as in mmcv's compiled `nms`."""

import numpy as np
import torch
from torch import Tensor


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes that are kept, sorted by descending score.

    Args:
        boxes: (N, 4) xyxy, px.
        scores: (N,).
        iou_threshold: a box that overlaps a kept box by more is dropped.
        offset: 1 where x2 and y2 are the last pixel inside, else 0.

    Returns:
        (K,) int64, on the boxes' device.
    """
    order = scores.sort(descending=True, stable=True).indices
    box = boxes.detach()[order].float().cpu().numpy()
    x1, y1, x2, y2 = box.T
    area = (x2 - x1 + offset) * (y2 - y1 + offset)
    alive = np.ones(len(box), bool)
    kept_indices = []
    for index in range(len(box)):
        if not alive[index]:
            continue
        kept_indices.append(index)
        later = index + 1 + np.flatnonzero(alive[index + 1 :])
        width = np.minimum(x2[index], x2[later]) - np.maximum(x1[index], x1[later]) + offset
        height = np.minimum(y2[index], y2[later]) - np.maximum(y1[index], y1[later]) + offset
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        # Not divided: two empty boxes would give 0/0.
        over = shared > iou_threshold * (area[index] + area[later] - shared)
        alive[later[over]] = False
    return order[torch.tensor(kept_indices, dtype=torch.int64, device=order.device)]
