"""Cells paired one to one by their centres."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

Boxes = NDArray[np.float32]


def match_cells(
    first: Boxes, second: Boxes, mpp: float, max_distance_um: float = 10.0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of pairs whose centres lie within a distance."""
    centres = [(box[:, :2].astype(float) + box[:, 2:]) / 2 for box in (first, second)]
    distance_um = cdist(*centres) * mpp
    near = distance_um <= max_distance_um
    first, second = linear_sum_assignment(np.where(near, distance_um, 1e6))
    good = near[first, second]
    return first[good], second[good]
