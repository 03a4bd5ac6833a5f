"""Frozen values that pass between the steps of cutting training fields out of slides.

Everything is in level-0 pixels, origin top left of the slide, unless a name says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.pipeline.types import SlideInfo

Origin = Literal["slide", "bounds"]
Units = Literal["px", "um"]
Rgb = tuple[int, int, int]

DEFAULT_MPP = 0.25
#: The box that the shipped detector's cells have: see models/phantom/truth.py.
DEFAULT_POINT_SIZE_UM = 20.4


@dataclass(frozen=True)
class Source:
    """A slide and the file of its annotations."""

    slide: Path
    annotations: Path


@dataclass(frozen=True)
class CutOptions:
    """How fields are cut.

    Attributes:
        mpp: µm per px of the fields; None takes 0.25, or the slide's own where that is coarser.
        size_px: side of a field, px of the field.
        origin: of the annotations; None takes what their file says, if it does.
        roi_class: of annotations that mark completely labelled regions; None cuts around cells.
        num_negatives: fields of tissue without a cell, a slide.
        num_folds: for cross-validation.
        class_names: in label order, no others allowed; None takes all, Bethesda's first.
        renames: class names by their name in the file; an empty one leaves the class out.
        point_size_um: side of the box around a point.
        slide_mpp: µm per level-0 px, overriding what the slides say.
        units: of the annotations' coordinates; None takes px, and refuses what looks like µm.
        leaves_out_unclassified: whether objects without a class are passed over, not refused.
        splits_within_slides: whether fields of one slide may lie in several folds where there are
            fewer slides than folds.
    """

    mpp: float | None = None
    size_px: int = 1024
    origin: Origin | None = None
    roi_class: str | None = None
    num_negatives: int = 0
    num_folds: int = 4
    class_names: tuple[str, ...] | None = None
    renames: Mapping[str, str] = field(default_factory=dict)
    point_size_um: float = DEFAULT_POINT_SIZE_UM
    slide_mpp: float | None = None
    units: Units | None = None
    leaves_out_unclassified: bool = False
    splits_within_slides: bool = False


@dataclass(frozen=True)
class Annotations:
    """What is labelled on one slide.

    Attributes:
        bbox_xyxy: (N, 4) float64, as drawn: may reach beyond the slide.
        nucleus_xy: (N, 2) float64, the nucleus's centre where one is drawn, else the box's.
        class_name: (N,) after renaming.
        regions: shapely polygons, completely labelled.
        colors: by class name, where the file states them.
        file_names: class names as they are in the file.
        ignored: shapely geometries of QuPath's ignored classes: neither cells nor background.
        warnings: what was left out, and why.
    """

    bbox_xyxy: NDArray[np.float64]
    nucleus_xy: NDArray[np.float64]
    class_name: tuple[str, ...]
    regions: tuple[Any, ...]
    colors: Mapping[str, Rgb]
    file_names: frozenset[str]
    ignored: tuple[Any, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def centre_xy(self) -> NDArray[np.float64]:
        """(N, 2) centres of the boxes; they decide which field a cell belongs to."""
        return (self.bbox_xyxy[:, :2] + self.bbox_xyxy[:, 2:]) / 2


@dataclass(frozen=True)
class LabelledSlide:
    """A slide and what is labelled on it.

    Attributes:
        source: its files.
        name: unlike that of every other slide; begins the names of its fields' files.
        info: what it says of itself.
        annotations: read and placed on it.
    """

    source: Source
    name: str
    info: SlideInfo
    annotations: Annotations


@dataclass(frozen=True)
class PlannedField:
    """A rectangle of a slide that becomes one image.

    Attributes:
        slide: index.
        x, y: of its top left corner.
        width, height: level-0 px.
        size_px: (width, height) of the image.
        cells: (N,) int64, indices of the slide's cells that belong to it.
        region: shapely geometry of what is labelled in it; None where that is all of it.
    """

    slide: int
    x: int
    y: int
    width: int
    height: int
    size_px: tuple[int, int]
    cells: NDArray[np.int64]
    region: Any | None = None

    @property
    def scale_xy(self) -> NDArray[np.float64]:
        """(2,) px of the image per level-0 px, across and down; they differ by rounding alone."""
        return np.array(self.size_px) / (self.width, self.height)

    def to_field(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) level-0 px as px of the image."""
        return np.asarray((xy - (self.x, self.y)) * self.scale_xy, np.float64)

    def bbox_xyxy_field(self, bbox_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 4) boxes in level-0 px as px of the image, clipped to it."""
        corners = self.to_field(bbox_xyxy.reshape(-1, 2, 2))
        return np.clip(corners, 0, self.size_px).reshape(-1, 4)
