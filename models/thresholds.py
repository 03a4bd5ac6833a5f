"""The score thresholds to ship, chosen on fields that were not trained on.

One threshold for negative cells and one for abnormal ones: the former decides what is counted as a
cell, the latter what is called abnormal.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np

from models.classes import CellClass
from models.evaluate import merge_cells
from models.metrics import FieldResult, confusion_matrix, rates_of_classes

CANDIDATES = tuple(round(float(value), 2) for value in np.arange(0.08, 0.72, 0.04))


def choose_thresholds(
    results: Sequence[FieldResult], classes: tuple[CellClass, ...], merge_iou: float
) -> tuple[float, ...]:
    """One threshold per class, maximising F1 of any cell plus F1 of normal against abnormal.

    Args:
        results: from `detect_fields` on held-out fields, with a low score threshold.
        classes: in label order.
        merge_iou: as shipped.
    """
    abnormal = np.array([one.is_abnormal for one in classes])
    every = np.ones(len(classes), bool)

    def rate(pair: tuple[float, float]) -> float:
        thresholds = np.where(abnormal, pair[1], pair[0])
        merged = [merge_cells(result, thresholds.tolist(), merge_iou) for result in results]
        matrix = confusion_matrix(merged, len(classes))
        return rates_of_classes(matrix, every).f1 + rates_of_classes(matrix, abnormal).f1

    normal, above = max(product(CANDIDATES, CANDIDATES), key=rate)
    return tuple(above if one.is_abnormal else normal for one in classes)
