"""What every export needs to know besides the detections: classes, slide, and origin."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.pipeline.types import CellClass, Detections, SlideInfo

Origin = Literal["slide", "bounds"]

#: Cells whose Python objects exist at one time: few MB, and larger pieces are no faster.
PIECE_SIZE = 5_000


@dataclass(frozen=True)
class Frame:
    """How detections are to be told.

    Attributes:
        classes: in label order.
        slide: what the slide says of itself.
        origin: "slide" gives level-0 px; "bounds" subtracts the corner of the scanned area, to
            which QuPath crops by default, and is the same where the slide states no bounds.
        namespace: of the cells' UUIDs, one a slide, so that exporting twice gives the same ids.
        disclaimer: of the report.
    """

    classes: tuple[CellClass, ...]
    slide: SlideInfo
    origin: Origin
    namespace: uuid.UUID
    disclaimer: str

    @property
    def offset_xy(self) -> tuple[int, int]:
        """What is subtracted from level-0 px."""
        if self.origin == "slide" or self.slide.bounds_xywh is None:
            return 0, 0
        return self.slide.bounds_xywh[0], self.slide.bounds_xywh[1]

    def boxes(self, detections: Detections) -> NDArray[np.float64]:
        """(N, 4) float64 xyxy in this frame, to a hundredth of a pixel."""
        shifted = detections.bbox_xyxy.astype(np.float64) - np.tile(self.offset_xy, 2)
        return np.asarray(np.round(shifted, 2), np.float64)

    def cell_ids(self, detections: Detections) -> Iterator[str]:
        """UUIDs that depend on the slide, the place and the class of a cell alone.

        They are the same for both origins, so that exports can be joined.
        """
        boxes = np.round(detections.bbox_xyxy.astype(np.float64), 2).tolist()
        for box, label in zip(boxes, detections.label.tolist(), strict=True):
            yield str(uuid.uuid5(self.namespace, f"{label}/{box}"))


def cut_pieces(chunks: Iterable[Detections]) -> Iterator[Detections]:
    """The same detections in order, in pieces that are small and never empty."""
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE_SIZE):
            yield chunk.take(np.arange(start, min(start + PIECE_SIZE, len(chunk))))
