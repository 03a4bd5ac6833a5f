"""Cells of classes worse than the category: too few to name it, too severe to leave unmentioned."""

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from service.pipeline.cell_ids import make_cell_ids
from service.pipeline.report.model import SuspiciousCell, SuspiciousClass
from service.pipeline.types import CellClass, CellSource, Detections

#: Places are listed of so many cells of each class; the annotations hold all of them.
MAX_CELLS_PER_CLASS = 20


def list_suspicious(
    detections: Detections,
    classes: Sequence[CellClass],
    category_severity: int,
    source: CellSource | None = None,
) -> tuple[SuspiciousClass, ...]:
    """All classes more severe than the category that have cells, the most severe first.

    Args:
        detections: merged.
        classes: in label order.
        category_severity: of the category, 0 where no abnormal one is supported.
        source: that their ids are made of; None leaves the ids out.
    """
    labels = sorted(range(len(classes)), key=lambda label: -classes[label].severity)
    worse = [label for label in labels if classes[label].severity > category_severity]
    listed = []
    for label in worse:
        index = np.flatnonzero(detections.label == label)
        if len(index):
            best = index[np.argsort(-detections.score[index], kind="stable")][:MAX_CELLS_PER_CLASS]
            cells = _describe(detections.take(best), classes, source)
            listed.append(
                SuspiciousClass(class_name=classes[label].name, count=len(index), cells=cells)
            )
    return tuple(listed)


def _describe(
    detections: Detections, classes: Sequence[CellClass], source: CellSource | None
) -> tuple[SuspiciousCell, ...]:
    ids: list[UUID | None] = [None] * len(detections)
    if source is not None:
        ids = [UUID(text) for text in make_cell_ids(source, detections.bbox_xyxy)]
    return tuple(
        SuspiciousCell(
            id=cell_id,
            bbox_xyxy=(x1, y1, x2, y2),
            class_name=classes[label].name,
            score=score,
            class_scores=_name_scores(class_scores, classes),
        )
        for cell_id, (x1, y1, x2, y2), label, score, class_scores in zip(
            ids,
            detections.bbox_xyxy.tolist(),
            detections.label.tolist(),
            detections.score.tolist(),
            detections.class_scores,
            strict=True,
        )
    )


def _name_scores(
    class_scores: NDArray[np.float32], classes: Sequence[CellClass]
) -> dict[str, float] | None:
    """By class name; None where they were not kept."""
    if not np.isfinite(class_scores).all():
        return None
    pairs = zip(classes, class_scores.tolist(), strict=True)
    return {each.name: score for each, score in pairs}
