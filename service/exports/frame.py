"""What every export needs to know besides the cells: classes, slide, and origin."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.pipeline.types import CellClass, CellRecords, CellSource, Detections, SlideInfo

Origin = Literal["slide", "bounds"]

#: Cells whose Python objects exist at one time: few MB, and larger pieces are no faster.
PIECE_SIZE = 5_000
SCORE_DECIMALS = 4


@dataclass(frozen=True)
class Frame:
    """How cells are written.

    Attributes:
        classes: in label order.
        slide: what the slide says of itself.
        origin: "slide" gives level-0 px; "bounds" subtracts the corner of the scanned area, to
            which QuPath crops by default, and is the same where the slide states no bounds.
        source: what the cells' ids are made from.
        disclaimer: of the report.
    """

    classes: tuple[CellClass, ...]
    slide: SlideInfo
    origin: Origin
    source: CellSource
    disclaimer: str

    @property
    def offset_xy(self) -> tuple[int, int]:
        """What is subtracted from level-0 px."""
        if self.origin == "slide" or self.slide.bounds_xywh is None:
            return 0, 0
        return self.slide.bounds_xywh[0], self.slide.bounds_xywh[1]

    @property
    def class_score_names(self) -> tuple[str, ...]:
        """How the score of each class is called, in label order, as in the stored file."""
        return tuple(f"score_{cell_class.name}" for cell_class in self.classes)

    def describe(self) -> dict[str, Any]:
        """What stands at the head of formats that have one."""
        return {
            "origin": self.origin,
            "offset_xy": list(self.offset_xy),
            "unit": "level-0 px",
            "slide_sha256": self.source.slide_sha256,
            "detector_digest": self.source.detector_digest,
            "mpp": self.source.mpp,
            "disclaimer": self.disclaimer,
        }

    def boxes(self, detections: Detections) -> NDArray[np.float64]:
        """(N, 4) float64 xyxy in this frame, to a hundredth of a pixel."""
        shifted = detections.bbox_xyxy.astype(np.float64) - np.tile(self.offset_xy, 2)
        return np.asarray(np.round(shifted, 2), np.float64)


def round_scores(scores: NDArray[np.float32]) -> list[Any]:
    """Scores as plain numbers to four decimals; (N, C) gives a list of lists."""
    rounded: list[Any] = scores.astype(np.float64).round(SCORE_DECIMALS).tolist()
    return rounded


def cut_pieces(chunks: Iterable[CellRecords]) -> Iterator[CellRecords]:
    """The same cells in order, in pieces that are small and never empty."""
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE_SIZE):
            yield chunk.take(np.arange(start, min(start + PIECE_SIZE, len(chunk))))
