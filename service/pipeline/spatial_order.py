"""The order in which a slide's cells are kept: along a Hilbert curve, so that neighbours on the
slide are neighbours in the file. What that is good for is left to `service/storage/detections.py`.
"""

import numpy as np
from numpy.typing import NDArray

from service.pipeline.types import Detections

#: The curve visits 2^16 by 2^16 squares: a few px each, also on the largest slides.
CURVE_BITS = 16


def order_spatially(detections: Detections, width: int, height: int) -> Detections:
    """The same detections along a Hilbert curve over their centres.

    Those in one square of the curve stay in the order in which they come.

    Args:
        detections: level-0 px.
        width, height: of the slide, level-0 px.
    """
    centre = (detections.bbox_xyxy[:, :2].astype(np.float64) + detections.bbox_xyxy[:, 2:]) / 2
    squares = 1 << CURVE_BITS
    square_xy = np.clip(centre * (squares / max(width, height)), 0, squares - 1).astype(np.int64)
    distance = measure_along_curve(square_xy[:, 0], square_xy[:, 1], CURVE_BITS)
    return detections.take(np.argsort(distance, kind="stable"))


def measure_along_curve(x: NDArray[np.int64], y: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """How far along the Hilbert curve each square lies, (N,) int64 in [0, 4^bits).

    Args:
        x, y: (N,) int64 in [0, 2^bits).
        bits: at most 31.

    Source: D. Hilbert, Mathematische Annalen 38 (1891); from coarse quadrants to fine ones, each
    turned so that the curve goes on where it left the one before.
    """
    distance = np.zeros(len(x), np.int64)
    for bit in reversed(range(bits)):
        side = np.int64(1 << bit)
        right, lower = (x & side) > 0, (y & side) > 0
        quadrant = np.where(right, np.where(lower, 2, 3), np.where(lower, 1, 0))
        distance += quadrant * side * side
        x, y = x & (side - 1), y & (side - 1)
        mirrored = right & ~lower
        x, y = np.where(mirrored, side - 1 - x, x), np.where(mirrored, side - 1 - y, y)
        x, y = np.where(lower, x, y), np.where(lower, y, x)
    return distance
