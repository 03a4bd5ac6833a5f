"""Cells that a file lists twice, as annotation and as detection, taken once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.inference.cells import group_boxes
from service.errors import DatasetError
from service.training_fields.features import FeatureFile

#: Boxes that overlap by more are one cell drawn twice; of labelled neighbours in CRIC none does.
SAME_CELL_IOU = 0.8


def drop_duplicates(
    file: FeatureFile,
    bbox_xyxy: NDArray[np.float64],
    class_name: Sequence[str],
    called: Sequence[str],
) -> tuple[NDArray[np.int64], int]:
    """Which cells are kept, in order, and how many were listed a second time.

    Args:
        file: of the cells.
        bbox_xyxy: (N, 4) level-0 px.
        class_name: (N,).
        called: (N,) how to find each in the file.

    Raises:
        DatasetError: one cell is listed with two classes.
    """
    first_wins = -np.arange(len(bbox_xyxy), dtype=np.float32)
    cell = group_boxes(bbox_xyxy.astype(np.float32), first_wins, SAME_CELL_IOU, -np.inf)
    index = np.arange(len(bbox_xyxy))
    double = index[cell != index].tolist()
    for again in double:
        first = int(cell[again])
        if class_name[first] != class_name[again]:
            raise DatasetError(
                f"{file.path}: {called[first]} is {class_name[first]!r} and {called[again]} at the "
                f"same place {class_name[again]!r}: delete one of them"
            )
    return index[cell == index], len(double)
