"""Greedy non-maximum suppression, as mmcv's compiled `nms` gives it."""

import numpy as np
import torch
from torch import Tensor


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes kept, best score first.

    Args:
        boxes: (N, 4) xyxy, px.
        scores: (N,).
        iou_threshold: a box that overlaps a kept one by more is dropped.
        offset: 1 where x2 and y2 are the last pixel inside, else 0.

    Returns:
        (K,) int64, on the boxes' device.
    """
    order = scores.sort(descending=True, stable=True).indices
    box = boxes.detach()[order].float().cpu().numpy()
    x1, y1, x2, y2 = box.T
    area = (x2 - x1 + offset) * (y2 - y1 + offset)
    alive = np.ones(len(box), bool)
    kept = []
    for index in range(len(box)):
        if not alive[index]:
            continue
        kept.append(index)
        rest = index + 1 + np.flatnonzero(alive[index + 1 :])
        width = np.minimum(x2[index], x2[rest]) - np.maximum(x1[index], x1[rest]) + offset
        height = np.minimum(y2[index], y2[rest]) - np.maximum(y1[index], y1[rest]) + offset
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        # Not divided: two empty boxes would give 0/0.
        over = shared > iou_threshold * (area[index] + area[rest] - shared)
        alive[rest[over]] = False
    return order[torch.tensor(kept, dtype=torch.int64, device=order.device)]
