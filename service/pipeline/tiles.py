"""Plans which squares of a slide are read, and which of them answers for which cell.

Tiles overlap by more than a cell; their cores partition the plane, so that every cell has one tile
that owns it and shows it whole.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from service.errors import DimensionsImplausibleError
from service.pipeline.geometry import best_level, lattice_cell_level0
from service.pipeline.tissue import TissueMask
from service.pipeline.types import InputSpec, SlideInfo, Tile

#: The largest stride of the networks in use, tile px; tile sizes are multiples of it.
LATTICE_PX = 32
#: A tile takes some 400 bytes, so that a plan stays below 200 MB; a glass slide full of cells has
#: some 200,000 tiles of 512 px at 0.25 µm/px.
MAX_NUM_TILES = 500_000


@dataclass(frozen=True)
class TilePlan:
    """All tiles of a slide.

    Attributes:
        tiles: in reading order, row by row.
        spec: what the detector wants.
        downsample: level-0 px per tile px.
        level: pyramid level that is read.
        lost_tiles: indices of those with tissue that is not in the file.
    """

    tiles: tuple[Tile, ...]
    spec: InputSpec
    downsample: float
    level: int
    lost_tiles: tuple[int, ...] = ()


def plan_tiles(info: SlideInfo, mask: TissueMask, spec: InputSpec) -> TilePlan:
    """The tiles whose cores touch tissue.

    All tile corners lie on one lattice of 32 tile px, whatever the plan: a network of strides up to
    32 then sees a cell at the same phase in every plan, and says the same of it. The lattice is
    rounded to whole level-0 px where that is 1 part in 64 at most, and exact otherwise. Tiles at
    the slide's edge reach beyond it by half the overlap, where there is background.

    Raises:
        DimensionsImplausibleError: there are more tiles than a plan may hold.
    """
    cell_px = lattice_cell_level0(LATTICE_PX, spec.mpp, info.mpp)
    tiles = tuple(_make_tiles(info, mask, spec, cell_px))
    downsample = cell_px / LATTICE_PX
    level = best_level(info.level_downsamples, downsample)
    lost = tuple(tile.index for tile in tiles if mask.touches_lost(tile.core_xyxy))
    return TilePlan(tiles, spec, downsample, level, lost)


def _make_tiles(
    info: SlideInfo, mask: TissueMask, spec: InputSpec, cell_px: float
) -> Iterator[Tile]:
    size = spec.tile_size_px / LATTICE_PX * cell_px
    border_cells = math.ceil(spec.overlap_px / 2 / LATTICE_PX)
    step_cells = spec.tile_size_px // LATTICE_PX - 2 * border_cells
    border, step, index = border_cells * cell_px, step_cells * cell_px, 0
    for row in range(math.ceil(info.height / step)):
        for column in range(math.ceil(info.width / step)):
            # Products, not sums: neighbours' edges are the same number, so no cell falls between.
            core = column * step, row * step, (column + 1) * step, (row + 1) * step
            if not mask.touches(core):
                continue
            if index == MAX_NUM_TILES:
                raise DimensionsImplausibleError(
                    f"the slide has more than {MAX_NUM_TILES:,} tiles of {spec.tile_size_px} px at "
                    f"{spec.mpp:g} µm/px: give the right µm/px of the slide as mpp= (it is taken "
                    f"for {info.mpp:g}), or a detector with larger tiles"
                )
            yield Tile(index, core[0] - border, core[1] - border, size, core)
            index += 1
