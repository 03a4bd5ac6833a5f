"""Frozen values that pass between the steps of an analysis; re-exports the detector's own types.

Everything is in level-0 pixels, origin top left of the slide, unless a name says otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.classes import CellClass
from models.detector import (
    Detections,
    Detector,
    DetectorInfo,
    InputSpec,
    SevereTerm,
    SlideScoreModel,
    TileBatch,
    join_detections,
    no_detections,
)

if TYPE_CHECKING:
    from service.pipeline.report.model import SlideReport

__all__ = [
    "Analysis",
    "CellClass",
    "CellRecords",
    "CellSource",
    "Detections",
    "Detector",
    "DetectorInfo",
    "GroupResult",
    "InputSpec",
    "OnProgress",
    "Options",
    "Progress",
    "QualityCode",
    "QualityFlag",
    "RunGroup",
    "SevereTerm",
    "SlideInfo",
    "SlideScoreModel",
    "Tile",
    "TileBatch",
    "join_detections",
    "no_detections",
]

MppSource = Literal["slide", "objective-power", "request"]


@dataclass(frozen=True)
class SlideInfo:
    """What a slide says of itself.

    Attributes:
        vendor: OpenSlide's name of the format, e.g. "aperio".
        width, height: level-0 px.
        level_downsamples: one per level that is used, 1.0 first.
        mpp: µm per level-0 px (mean of x and y).
        mpp_source: where that figure came from.
        bounds_xywh: scanned area if the slide states one (openslide.bounds-*), else None.
        background_rgb: what transparent pixels are composited on.
        focal_plane: which plane of a focus stack is read; None where there is but one.
        left_out_levels: one sentence per level of the file that is not used, with the reason.
        stated_mpp: µm per level-0 px that the slide itself states, whatever `mpp` is; None where
            it states none, and in reports of earlier versions.
    """

    vendor: str
    width: int
    height: int
    level_downsamples: tuple[float, ...]
    mpp: float
    mpp_source: MppSource
    bounds_xywh: tuple[int, int, int, int] | None
    background_rgb: tuple[int, int, int]
    focal_plane: str | None = None
    left_out_levels: tuple[str, ...] = ()
    stated_mpp: float | None = None


@dataclass(frozen=True, slots=True)
class Tile:
    """A square that is read from the slide, and the part of it that answers for cells.

    Attributes:
        index: position in the plan.
        x, y: level-0 px of its top left corner; may be negative at the slide's edge. Whole
            numbers unless the slide is coarser than the detector wants.
        size: side, level-0 px.
        core_xyxy: cells whose centre lies here belong to this tile; cores share no point and
            together cover every tile.
    """

    index: int
    x: float
    y: float
    size: float
    core_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class Options:
    """How to analyse a slide; part of every report's provenance.

    Attributes:
        mpp: µm per level-0 px, overriding what the slide says.
        batch_size: tiles per call of the detector.
        group_size: tiles per group, the unit of durable progress.
        num_readers: threads that read tiles ahead of the detector.
        max_unreadable_fraction: of the planned tiles; above this the slide is refused.
        merge_iou: overrides the detector's, if given.
    """

    mpp: float | None = None
    batch_size: int = 8
    group_size: int = 128
    num_readers: int = 2
    max_unreadable_fraction: float = 0.2
    merge_iou: float | None = None


@dataclass(frozen=True)
class GroupResult:
    """What one group of tiles gave, before merging.

    Attributes:
        detections: level-0 px; `tile_index` counts in the whole plan.
        unreadable_tiles: indices in the plan of tiles that could not be read.
        limited_tiles: indices in the plan of tiles with as many detections as a tile may have; of
            more cells the best are kept.
    """

    detections: Detections
    unreadable_tiles: tuple[int, ...]
    limited_tiles: tuple[int, ...] = ()


@dataclass(frozen=True)
class CellSource:
    """Where a slide's cells come from: together with its box, all that a cell's id is made of.

    Attributes:
        slide_sha256: hex digest of the slide's file; `slide_digest.py` says of what where a slide
            has several.
        detector_digest: as in `DetectorInfo`.
        mpp: µm per level-0 px, as used in the analysis.
    """

    slide_sha256: str
    detector_digest: str
    mpp: float


@dataclass(frozen=True)
class CellRecords:
    """N cells as they are stored and exported.

    Attributes:
        ids: (N,) str, UUIDs; see `cell_ids.py`.
        detections: their boxes, classes and scores; `tile_index` means nothing here.
    """

    ids: NDArray[np.object_]
    detections: Detections

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> "CellRecords":
        """Those at `index`, (K,) int64 or (N,) bool, in that order."""
        return CellRecords(self.ids[index], self.detections.take(index))


@dataclass(frozen=True)
class Progress:
    """How far an analysis is."""

    tiles_done: int
    tiles_total: int


OnProgress = Callable[[Progress], None]
#: Runs group `index` by calling the function, or gives back what an earlier run of it gave if that
#: was made from the same: if its digest (see `digest_group`) is the one given.
RunGroup = Callable[[int, str, Callable[[], GroupResult]], GroupResult]


class QualityCode(StrEnum):
    """What limits a result; stable, so that programs may act on it."""

    UNREADABLE_AREA = "unreadable-area"
    AREA_NOT_IN_FILE = "area-not-in-file"
    LEVELS_LEFT_OUT = "levels-left-out"
    FOCUS_PLANE = "focus-plane"
    MPP_FROM_OBJECTIVE_POWER = "mpp-from-objective-power"
    MPP_DIFFERS_FROM_SLIDE = "mpp-differs-from-slide"
    DENSITY_LIMIT = "density-limit"
    EARLIER_REPORT = "earlier-report"


@dataclass(frozen=True)
class QualityFlag:
    """One thing that limits what a result can say; every step may give some.

    Attributes:
        code: what it is.
        text: the same in words, with the figures that matter.
        area_mm2: of the slide that it concerns, if it is an area.
        fraction: of what the text names, 0-1, if it is a part.
    """

    code: QualityCode
    text: str
    area_mm2: float | None = None
    fraction: float | None = None


@dataclass(frozen=True)
class Analysis:
    """A slide's report and its merged detections, along a Hilbert curve over the slide."""

    report: "SlideReport"
    detections: Detections
    classes: tuple[CellClass, ...]
    slide: SlideInfo
