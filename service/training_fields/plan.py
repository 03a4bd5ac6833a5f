"""Chooses the rectangles of a slide that become fields, and the cells of each field.

Labelled areas of fields do not overlap, so a cell belongs to the only field that holds its centre.
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

#: Fields whose downsample differs from 1 by at most this are not resampled, which would blur.
SAME_SCALE = 0.02
#: A field without a cell is cut out of a region if at least this fraction lies inside.
MIN_FRACTION_INSIDE = 0.5
#: A field of which at least this fraction lies inside counts as completely labelled.
FULL_FRACTION_INSIDE = 0.9999


def find_downsample(info: SlideInfo, mpp: float | None) -> float:
    """Level-0 px per px of a field; at least 1 unless `mpp` is finer than level 0."""
    downsample = (mpp or max(DEFAULT_MPP, info.mpp)) / info.mpp
    return 1.0 if abs(downsample - 1) <= SAME_SCALE else downsample


def plan_around_cells(slide: LabelledSlide, index: int, options: CutOptions) -> list[PlannedField]:
    """The squares of a grid over the slide that hold a cell, in reading order.

    They may reach beyond the right and lower edge of the slide, where they show background.

    Args:
        slide: all cells must lie on it.
        index: of the slide.
        options: µm/px and size.
    """
    side = _side(slide.info, options)
    row_column = np.floor(slide.annotations.centre_xy / side).astype(np.int64)[:, ::-1]
    squares, square_of = np.unique(row_column, axis=0, return_inverse=True)
    order = np.argsort(square_of.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(square_of.reshape(-1), minlength=len(squares)))[:-1]
    return [
        _make_square(index, row, column, side, options, cells)
        for (row, column), cells in zip(squares.tolist(), np.split(order, ends), strict=False)
    ]


def plan_negatives(
    slide: LabelledSlide, index: int, options: CutOptions, mask: TissueMask
) -> list[PlannedField]:
    """Random squares of the same grid with tissue and without any part of a cell.

    Fewer than `options.num_negatives` if the slide has fewer; the same squares in every run.
    """
    side, info = _side(slide.info, options), slide.info
    shape = math.ceil(info.height / side), math.ceil(info.width / side)
    has_cell = np.zeros(shape, np.bool_)
    low = np.maximum(np.floor(slide.annotations.bbox_xyxy[:, :2] / side), 0).astype(int)
    high = np.maximum(np.floor(slide.annotations.bbox_xyxy[:, 2:] / side), 0).astype(int)
    for (left, top), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True):
        has_cell[top : bottom + 1, left : right + 1] = True
    squares = [
        square for square in np.argwhere(~has_cell).tolist() if mask.touches(_middle(square, side))
    ]
    chosen = np.random.default_rng(index).permutation(len(squares))[: options.num_negatives]
    no_cells = np.zeros(0, np.int64)
    negatives = [squares[number] for number in sorted(chosen)]
    return [_make_square(index, row, column, side, options, no_cells) for row, column in negatives]


def plan_regions(slide: LabelledSlide, index: int, options: CutOptions) -> list[PlannedField]:
    """Rectangles that cover the slide's completely labelled regions.

    Each region is cut in equal parts of at most `options.size_px`. The area of a part outside of
    its region is blanked later; parts without a cell that are mostly outside are left out.

    Raises:
        DatasetError: the regions have no area on the slide.
    """
    slide_box = shapely.box(0, 0, slide.info.width, slide.info.height)
    inside = shapely.intersection(shapely.union_all(_valid_regions(slide.annotations)), slide_box)
    polygons = [part for part in shapely.get_parts(inside) if part.geom_type == "Polygon"]
    if not polygons:
        raise DatasetError(
            f"{slide.source.annotations}: its regions of class {options.roi_class!r} have no area "
            f"on the slide of {slide.info.width}x{slide.info.height} px: check that the file "
            "belongs to this slide, and --origin"
        )
    unassigned = np.ones(len(slide.annotations.class_name), np.bool_)
    fields: list[PlannedField] = []
    for polygon in polygons:
        inside_polygon = shapely.intersects_xy(polygon, *slide.annotations.centre_xy.T)
        cells = np.flatnonzero(inside_polygon & unassigned)
        unassigned[cells] = False
        fields += _cut_region(slide, index, options, polygon, cells)
    return fields


def blank_ignored(fields: list[PlannedField], ignored: tuple[object, ...]) -> list[PlannedField]:
    """The fields with ignored areas removed from their labelled region.

    Ignored areas would otherwise be learned as background. Fields without a cell and without any
    labelled area left are dropped.

    Args:
        fields: of one slide.
        ignored: shapely geometries, level-0 px.
    """
    if not ignored:
        return fields
    area = shapely.union_all([shapely.make_valid(shape) for shape in ignored])
    blanked_fields = []
    for field in fields:
        x, y = field.x, field.y
        field_box = shapely.box(x, y, x + field.width, y + field.height)
        if shapely.intersects(field_box, area):
            labelled = field_box if field.region is None else field.region
            field = replace(field, region=shapely.difference(labelled, area))
        if len(field.cells) or field.region is None or field.region.area > 0:
            blanked_fields.append(field)
    return blanked_fields


def _valid_regions(annotations: Annotations) -> list[object]:
    """The regions without self-intersections."""
    return [shapely.make_valid(region) for region in annotations.regions]


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
            part_cells = cells[(row == j) & (column == i)]
            part = shapely.intersection(polygon, shapely.box(x1, y1, x2, y2))
            fraction_inside = part.area / ((x2 - x1) * (y2 - y1))
            if len(part_cells) or fraction_inside >= MIN_FRACTION_INSIDE:
                size = max(1, round((x2 - x1) / downsample)), max(1, round((y2 - y1) / downsample))
                region = None if fraction_inside >= FULL_FRACTION_INSIDE else part
                yield PlannedField(index, x1, y1, x2 - x1, y2 - y1, size, part_cells, region)


def _edges(low: int, high: int, side: int) -> list[int]:
    """Edges, in whole px, that cut `low` to `high` in equal parts of at most `side` px."""
    num_parts = max(1, math.ceil((high - low) / side))
    return [int(edge) for edge in np.rint(np.linspace(low, high, num_parts + 1))]


def _side(info: SlideInfo, options: CutOptions) -> int:
    downsample = find_downsample(info, options.mpp)
    return lattice_level0(options.size_px, downsample * info.mpp, info.mpp)


def _make_square(
    index: int, row: int, column: int, side: int, options: CutOptions, cells: NDArray[np.int64]
) -> PlannedField:
    size = (options.size_px, options.size_px)
    return PlannedField(index, column * side, row * side, side, side, size, cells)


def _middle(square: list[int], side: int) -> tuple[float, float, float, float]:
    """The central box of half the side: tissue in it reaches beyond the square's margin."""
    row, column = square
    x, y, quarter = column * side, row * side, side / 4
    return x + quarter, y + quarter, x + side - quarter, y + side - quarter
