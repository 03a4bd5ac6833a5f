"""Which cells are exported: by class, by score, by place."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequestError
from service.number_text import read_decimal
from service.pipeline.types import CellClass, CellRecords, Detections


@dataclass(frozen=True)
class Filters:
    """Which cells pass; None lets all pass.

    Attributes:
        labels: of these classes.
        min_score: at least this.
        bbox_xyxy: centre inside, level-0 px, upper edges excluded.
    """

    labels: frozenset[int] | None = None
    min_score: float | None = None
    bbox_xyxy: tuple[float, float, float, float] | None = None

    def keep(self, chunks: Iterable[CellRecords]) -> Iterator[CellRecords]:
        """The cells that pass, chunk by chunk, in order."""
        for chunk in chunks:
            yield chunk.take(self._passes(chunk.detections))

    def _passes(self, detections: Detections) -> NDArray[np.bool_]:
        passes = np.ones(len(detections), np.bool_)
        if self.labels is not None:
            passes &= np.isin(detections.label, list(self.labels))
        if self.min_score is not None:
            passes &= detections.score >= np.float32(self.min_score)
        if self.bbox_xyxy is not None:
            x1, y1, x2, y2 = self.bbox_xyxy
            bbox = detections.bbox_xyxy
            centre = (bbox[:, :2].astype(np.float64) + bbox[:, 2:]) / 2
            passes &= (centre[:, 0] >= x1) & (centre[:, 0] < x2)
            passes &= (centre[:, 1] >= y1) & (centre[:, 1] < y2)
        return passes


def read_filters(
    label: Sequence[str], min_score: float | None, bbox: str | None, classes: Sequence[CellClass]
) -> Filters:
    """Filters as a request writes them.

    Args:
        label: class names, repeated or separated by commas.
        min_score: in [0, 1].
        bbox: "x1,y1,x2,y2", level-0 px.
        classes: of the detector.

    Raises:
        InvalidRequestError: a value is wrong; names it and what is right.
    """
    if min_score is not None and not 0 <= min_score <= 1:
        raise InvalidRequestError(f"min_score={min_score} is not between 0 and 1")
    return Filters(_read_labels(label, classes), min_score, _read_bbox(bbox))


def _read_labels(texts: Sequence[str], classes: Sequence[CellClass]) -> frozenset[int] | None:
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    if not names:
        return None
    known = {cell_class.name: label for label, cell_class in enumerate(classes)}
    for name in names:
        if name not in known:
            raise InvalidRequestError(
                f"label={name!r} is no class of this detector: it has {', '.join(known)}"
            )
    return frozenset(known[name] for name in names)


def _read_bbox(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        x1, y1, x2, y2 = (read_decimal(part) for part in text.split(","))
    except ValueError:
        raise InvalidRequestError(
            f"bbox={text!r} is not four numbers x1,y1,x2,y2 in level-0 px, as in bbox=0,0,5000,5000"
        ) from None
    if not all(math.isfinite(value) for value in (x1, y1, x2, y2)) or x1 >= x2 or y1 >= y2:
        raise InvalidRequestError(f"bbox={text!r} is empty: x1 < x2 and y1 < y2 are needed")
    return x1, y1, x2, y2
