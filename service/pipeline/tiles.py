"""Plans which squares of a slide are read, and which of them answers for which cell.

Tiles overlap by more than a cell; their cores partition the plane, so that every cell has one tile
that owns it and shows it whole.
"""

import math
from dataclasses import dataclass

from service.pipeline.geometry import best_level, lattice_level0
from service.pipeline.tissue import TissueMask
from service.pipeline.types import InputSpec, SlideInfo, Tile

#: The largest stride of the networks in use, tile px; tile sizes are multiples of it.
LATTICE_PX = 32


@dataclass(frozen=True)
class TilePlan:
    """All tiles of a slide.

    Attributes:
        tiles: in reading order, row by row.
        spec: what the detector wants.
        downsample: level-0 px per tile px.
        level: pyramid level that is read.
        read_size_px: side of a tile in px of that level.
    """

    tiles: tuple[Tile, ...]
    spec: InputSpec
    downsample: float
    level: int
    read_size_px: int


def plan_tiles(info: SlideInfo, mask: TissueMask, spec: InputSpec) -> TilePlan:
    """The tiles whose cores touch tissue.

    All tile corners lie on one lattice of 32 tile px, whatever the plan: a network of strides up to
    32 then sees a cell at the same phase in every plan, and says the same of it. The downsample is
    rounded for that, by at most 1 part in 64. Tiles at the slide's edge reach beyond it by half the
    overlap, where there is background.
    """
    cell_px = lattice_level0(LATTICE_PX, spec.mpp, info.mpp)
    size = spec.tile_size_px * cell_px // LATTICE_PX
    border = math.ceil(spec.overlap_px / 2 / LATTICE_PX) * cell_px
    step = size - 2 * border
    tiles: list[Tile] = []
    for y in range(0, info.height, step):
        for x in range(0, info.width, step):
            core = (float(x), float(y), float(x + step), float(y + step))
            if mask.touches(core):
                tiles.append(Tile(len(tiles), x - border, y - border, size, core))
    downsample = size / spec.tile_size_px
    level = best_level(info.level_downsamples, downsample)
    read_size_px = max(1, round(size / info.level_downsamples[level]))
    return TilePlan(tuple(tiles), spec, downsample, level, read_size_px)
