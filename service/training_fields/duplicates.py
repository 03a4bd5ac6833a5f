"""Removes duplicates of cells that a file lists twice, as annotation and as detection."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.inference.cells import group_boxes
from service.errors import DatasetError
from service.training_fields.features import FeatureFile

#: Boxes that overlap by more are duplicates; no two labelled neighbours in CRIC overlap as much.
SAME_CELL_IOU = 0.8


def drop_duplicates(
    file: FeatureFile,
    bbox_xyxy: NDArray[np.float64],
    class_name: Sequence[str],
    position: Sequence[str],
) -> tuple[NDArray[np.int64], int]:
    """(K,) int64 indices of the cells without duplicates, in order, and the number of duplicates.

    Args:
        file: of the cells.
        bbox_xyxy: (N, 4) level-0 px.
        class_name: (N,).
        position: (N,) description of each cell's object, for the message.

    Raises:
        DatasetError: a cell is listed with two classes.
    """
    # Descending in file order, so that the first of equal cells is the representative.
    priority = -np.arange(len(bbox_xyxy), dtype=np.float32)
    first_index = group_boxes(bbox_xyxy.astype(np.float32), priority, SAME_CELL_IOU, -np.inf)
    index = np.arange(len(bbox_xyxy))
    duplicates = index[first_index != index].tolist()
    for duplicate in duplicates:
        first = int(first_index[duplicate])
        if class_name[first] != class_name[duplicate]:
            raise DatasetError(
                f"{file.path}: {position[first]} is {class_name[first]!r} and "
                f"{position[duplicate]} at the same place {class_name[duplicate]!r}: "
                f"delete one of them"
            )
    return index[first_index == index], len(duplicates)
