"""Decides which rectangles of a slide become fields, and which cells belong to which.

Fields share no point that is labelled, so that a cell belongs to one: that which holds its centre.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from service.errors import DatasetError
from service.pipeline.geometry import lattice_level0
from service.pipeline.tissue import TissueMask
from service.pipeline.types import SlideInfo
from service.training_fields.types import (
    DEFAULT_MPP,
    Annotations,
    CutOptions,
    LabelledSlide,
    PlannedField,
)

#: Fields so near to level 0 are taken from it as they are: resampling would only blur.
SAME_SCALE = 0.02
#: A field without a cell is cut out of a region if so much of it lies inside.
MIN_SHARE, WHOLE_SHARE = 0.5, 0.9999


def find_downsample(info: SlideInfo, mpp: float | None) -> float:
    """Level-0 px per px of a field: no finer than level 0 unless `mpp` asks for it."""
    downsample = (mpp or max(DEFAULT_MPP, info.mpp)) / info.mpp
    return 1.0 if abs(downsample - 1) <= SAME_SCALE else downsample


def plan_around_cells(slide: LabelledSlide, index: int, options: CutOptions) -> list[PlannedField]:
    """Squares of one grid over the slide, those with a cell in them, in reading order.

    They may reach beyond the slide at its right and lower edge, where there is background.

    Args:
        slide: its cells all lie on it.
        index: of the slide, for the plan.
        options: µm/px and size.
    """
    side = _side(slide.info, options)
    cell_at = np.floor(slide.annotations.centre_xy / side).astype(np.int64)[:, ::-1]
    squares, square_of = np.unique(cell_at, axis=0, return_inverse=True)
    order = np.argsort(square_of.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(square_of.reshape(-1), minlength=len(squares)))[:-1]
    return [
        _make_square(index, row, column, side, options, cells)
        for (row, column), cells in zip(squares.tolist(), np.split(order, ends), strict=False)
    ]


def plan_negatives(
    slide: LabelledSlide, index: int, options: CutOptions, mask: TissueMask
) -> list[PlannedField]:
    """Squares of the same grid on tissue and clear of every cell, drawn at random.

    Fewer than asked for where there are no more; the same ones every time.
    """
    side, info = _side(slide.info, options), slide.info
    shape = math.ceil(info.height / side), math.ceil(info.width / side)
    taken = np.zeros(shape, np.bool_)
    low = np.maximum(np.floor(slide.annotations.bbox_xyxy[:, :2] / side), 0).astype(int)
    high = np.maximum(np.floor(slide.annotations.bbox_xyxy[:, 2:] / side), 0).astype(int)
    for (left, top), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True):
        taken[top : bottom + 1, left : right + 1] = True
    free = [place for place in np.argwhere(~taken).tolist() if mask.touches(_middle(place, side))]
    chosen = np.random.default_rng(index).permutation(len(free))[: options.num_negatives]
    none = np.zeros(0, np.int64)
    places = [free[one] for one in sorted(chosen)]
    return [_make_square(index, row, column, side, options, none) for row, column in places]


def plan_regions(slide: LabelledSlide, index: int, options: CutOptions) -> list[PlannedField]:
    """Rectangles that cover the slide's completely labelled regions.

    Each region is cut in equal parts, none larger than asked. What a part holds beside its region
    is to be blanked; parts that hold no cell and are mostly beside it are left out.

    Raises:
        DatasetError: the regions have no area on the slide.
    """
    whole = shapely.box(0, 0, slide.info.width, slide.info.height)
    inside = shapely.intersection(shapely.union_all(_valid(slide.annotations)), whole)
    polygons = [one for one in shapely.get_parts(inside) if one.geom_type == "Polygon"]
    if not polygons:
        raise DatasetError(
            f"{slide.source.annotations}: its regions of class {options.roi_class!r} have no area "
            f"on the slide of {slide.info.width}x{slide.info.height} px: check that the file "
            "belongs to this slide, and --origin"
        )
    free = np.ones(len(slide.annotations.class_name), np.bool_)
    fields: list[PlannedField] = []
    for polygon in polygons:
        held = shapely.intersects_xy(polygon, *slide.annotations.centre_xy.T) & free
        free &= ~held
        fields += _cut_region(slide, index, options, polygon, np.flatnonzero(held))
    return fields


def blank_ignored(fields: list[PlannedField], ignored: tuple[object, ...]) -> list[PlannedField]:
    """The fields with ignored areas blanked, so that they are not taught as background.

    Fields without a cell of which nothing is left are left out.

    Args:
        fields: of one slide.
        ignored: shapely geometries, level-0 px.
    """
    if not ignored:
        return fields
    area = shapely.union_all([shapely.make_valid(shape) for shape in ignored])
    kept = []
    for field in fields:
        x, y = field.x, field.y
        whole = shapely.box(x, y, x + field.width, y + field.height)
        if shapely.intersects(whole, area):
            labelled = whole if field.region is None else field.region
            field = replace(field, region=shapely.difference(labelled, area))
        if len(field.cells) or field.region is None or field.region.area > 0:
            kept.append(field)
    return kept


def _valid(annotations: Annotations) -> list[object]:
    """Regions without crossings of their own outline."""
    return [shapely.make_valid(one) for one in annotations.regions]


def _cut_region(
    slide: LabelledSlide,
    index: int,
    options: CutOptions,
    polygon: shapely.Polygon,
    cells: NDArray[np.int64],
) -> Iterator[PlannedField]:
    bounds = np.array(polygon.bounds)
    low, high = np.floor(bounds[:2]).astype(int), np.ceil(bounds[2:]).astype(int)
    side, downsample = _side(slide.info, options), find_downsample(slide.info, options.mpp)
    across, down = (_edges(*ends, side) for ends in zip(low, high, strict=True))
    centre = slide.annotations.centre_xy[cells]
    column = np.clip(np.searchsorted(across, centre[:, 0], "right") - 1, 0, len(across) - 2)
    row = np.clip(np.searchsorted(down, centre[:, 1], "right") - 1, 0, len(down) - 2)
    for j, (y1, y2) in enumerate(pairwise(down)):
        for i, (x1, x2) in enumerate(pairwise(across)):
            own = cells[(row == j) & (column == i)]
            part = shapely.intersection(polygon, shapely.box(x1, y1, x2, y2))
            share = part.area / ((x2 - x1) * (y2 - y1))
            if len(own) or share >= MIN_SHARE:
                size = max(1, round((x2 - x1) / downsample)), max(1, round((y2 - y1) / downsample))
                region = None if share >= WHOLE_SHARE else part
                yield PlannedField(index, x1, y1, x2 - x1, y2 - y1, size, own, region)


def _edges(low: int, high: int, side: int) -> list[int]:
    """Where a stretch is cut in equal parts of at most `side`, whole px."""
    num_parts = max(1, math.ceil((high - low) / side))
    return [int(one) for one in np.rint(np.linspace(low, high, num_parts + 1))]


def _side(info: SlideInfo, options: CutOptions) -> int:
    downsample = find_downsample(info, options.mpp)
    return lattice_level0(options.size_px, downsample * info.mpp, info.mpp)


def _make_square(
    index: int, row: int, column: int, side: int, options: CutOptions, cells: NDArray[np.int64]
) -> PlannedField:
    size = (options.size_px, options.size_px)
    return PlannedField(index, column * side, row * side, side, side, size, cells)


def _middle(place: list[int], side: int) -> tuple[float, float, float, float]:
    """The inner half of a square: tissue there is more than a touch of its margin."""
    row, column = place
    x, y, quarter = column * side, row * side, side / 4
    return x + quarter, y + quarter, x + side - quarter, y + side - quarter
