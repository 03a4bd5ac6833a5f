"""Cells of classes worse than the category: too few to name it, too severe to leave unmentioned."""

from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np

from service.pipeline.report.model import SuspiciousCell, SuspiciousClass
from service.pipeline.types import CellClass, Detections

#: Places are listed of so many cells of each class; the annotations hold all of them.
MAX_CELLS_PER_CLASS = 20

#: Ids of detections, in their order.
CellIds = Callable[[Detections], Sequence[UUID]]


def list_suspicious(
    detections: Detections,
    classes: Sequence[CellClass],
    category_severity: int,
    cell_ids: CellIds | None = None,
) -> tuple[SuspiciousClass, ...]:
    """All classes more severe than the category that have cells, the most severe first.

    Args:
        detections: merged.
        classes: in label order.
        category_severity: of the category, 0 where no abnormal one is supported.
        cell_ids: gives their ids; None leaves them out.
    """
    labels = sorted(range(len(classes)), key=lambda label: -classes[label].severity)
    worse = [label for label in labels if classes[label].severity > category_severity]
    listed = []
    for label in worse:
        index = np.flatnonzero(detections.label == label)
        if len(index):
            best = index[np.argsort(-detections.score[index], kind="stable")][:MAX_CELLS_PER_CLASS]
            cells = _describe(detections.take(best), classes, cell_ids)
            listed.append(
                SuspiciousClass(class_name=classes[label].name, count=len(index), cells=cells)
            )
    return tuple(listed)


def _describe(
    detections: Detections, classes: Sequence[CellClass], cell_ids: CellIds | None
) -> tuple[SuspiciousCell, ...]:
    ids = [None] * len(detections) if cell_ids is None else cell_ids(detections)
    return tuple(
        SuspiciousCell(
            id=cell_id,
            bbox_xyxy=(x1, y1, x2, y2),
            class_name=classes[label].name,
            score=score,
            class_scores=None,
        )
        for cell_id, (x1, y1, x2, y2), label, score in zip(
            ids,
            detections.bbox_xyxy.tolist(),
            detections.label.tolist(),
            detections.score.tolist(),
            strict=True,
        )
    )
