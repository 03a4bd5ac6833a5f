"""The score thresholds to ship, chosen on fields that were not trained on.

One threshold for negative cells and one for abnormal ones: the former decides what is counted as a
cell, the latter what is called abnormal.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np

from models.classes import CellClass
from models.measure.evaluate import keep_above, merge_cells
from models.measure.metrics import FieldResult, confusion_matrix, rates_of_classes

#: Differences of this size between sums of two F1 mean nothing on a few dozen fields.
FLAT = 0.015
CANDIDATES = tuple(round(float(value), 2) for value in np.arange(0.08, 0.72, 0.04))


def choose_thresholds(
    results: Sequence[FieldResult], classes: tuple[CellClass, ...], merge_iou: float
) -> tuple[float, ...]:
    """One threshold per class, by F1 of any cell plus F1 of normal against abnormal.

    Near its top the sum is flat. There the higher threshold for abnormal cells is taken: it costs
    nothing on fields, and slides of another kind give fewer false alarms.

    Args:
        results: from `detect_fields` on held-out fields, with a low score threshold.
        classes: in label order.
        merge_iou: as shipped.
    """
    abnormal = np.array([cell_class.is_abnormal for cell_class in classes])
    every = np.ones(len(classes), bool)
    # What no candidate keeps would only be sorted out again for each of them.
    results = [keep_above(result, min(CANDIDATES)) for result in results]

    def rate(pair: tuple[float, float]) -> float:
        thresholds = np.where(abnormal, pair[1], pair[0])
        merged = [merge_cells(result, thresholds.tolist(), merge_iou) for result in results]
        matrix = confusion_matrix(merged, len(classes))
        return rates_of_classes(matrix, every).f1 + rates_of_classes(matrix, abnormal).f1

    rates = {pair: rate(pair) for pair in product(CANDIDATES, CANDIDATES)}
    good = [pair for pair, value in rates.items() if value >= max(rates.values()) - FLAT]
    normal, above = max(good, key=lambda pair: (pair[1], rates[pair]))
    return tuple(above if cell_class.is_abnormal else normal for cell_class in classes)
