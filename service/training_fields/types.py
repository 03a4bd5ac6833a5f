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
#: Side of the cell boxes on which the shipped detector was trained: see models/phantom/truth.py.
DEFAULT_POINT_SIZE_UM = 20.4


@dataclass(frozen=True)
class Source:
    """A slide and the file of its annotations."""

    slide: Path
    annotations: Path


@dataclass(frozen=True)
class CutOptions:
    """Options of cutting fields.

    Attributes:
        mpp: µm per px of the fields; None takes 0.25, or the slide's mpp if that is coarser.
        size_px: side of a field, px of the field.
        origin: of the annotations' coordinates; None takes the origin that their file states.
        roi_class: of annotations that mark completely labelled regions; None cuts around cells.
        num_negatives: number of fields per slide with tissue but without a cell.
        num_folds: for cross-validation.
        class_names: in label order, others are refused; None takes all classes, Bethesda's first.
        renames: new class name by the name in the file; "" leaves the class out.
        point_size_um: side of the box around a point.
        slide_mpp: µm per level-0 px, which overrides the slides' metadata.
        units: of the annotations' coordinates; None takes px, and refuses values that look like µm.
        leaves_out_unclassified: whether objects without a class are left out instead of refused.
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
    """The labels on a slide.

    Attributes:
        bbox_xyxy: (N, 4) float64, as drawn; boxes may reach beyond the slide.
        nucleus_xy: (N, 2) float64, centre of the nucleus if drawn, else of the box.
        class_name: (N,) after renaming.
        regions: shapely polygons of completely labelled regions.
        colors: by class name, if the file states them.
        file_names: class names in the file, before renaming.
        ignored: shapely geometries of QuPath's ignored classes: neither cells nor background.
        warnings: objects that were left out, with the reason.
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
        """(N, 2) centres of the boxes; a cell belongs to the field that holds its centre."""
        return (self.bbox_xyxy[:, :2] + self.bbox_xyxy[:, 2:]) / 2


@dataclass(frozen=True)
class LabelledSlide:
    """A slide and the labels on it.

    Attributes:
        source: paths of the slide and its annotations.
        name: unique among the slides; prefix of its fields' file names.
        info: the slide's metadata.
        annotations: in level-0 px of the slide.
    """

    source: Source
    name: str
    info: SlideInfo
    annotations: Annotations


@dataclass(frozen=True)
class PlannedField:
    """A rectangle of a slide that becomes one image.

    Attributes:
        slide: index of the slide.
        x, y: of the top left corner.
        width, height: level-0 px.
        size_px: (width, height) of the image.
        cells: (N,) int64, indices of the slide's cells that belong to the field.
        region: shapely geometry of its labelled part; None if the whole field is labelled.
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
        """(2,) px of the image per level-0 px, in x and y; they differ only by rounding."""
        return np.array(self.size_px) / (self.width, self.height)

    def to_field(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) points in level-0 px, converted to px of the image."""
        return np.asarray((xy - (self.x, self.y)) * self.scale_xy, np.float64)

    def bbox_xyxy_field(self, bbox_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 4) boxes in level-0 px, converted to px of the image and clipped to it."""
        corners = self.to_field(bbox_xyxy.reshape(-1, 2, 2))
        return np.clip(corners, 0, self.size_px).reshape(-1, 4)
