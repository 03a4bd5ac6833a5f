"""Plans which squares of a slide are read, and which of them answers for which cell.

Tiles overlap by more than a cell; their cores partition the plane, so that every cell has one tile
that owns it and shows it whole.
"""

from dataclasses import dataclass

from service.pipeline.geometry import best_level, tile_size_level0
from service.pipeline.tissue import TissueMask
from service.pipeline.types import InputSpec, SlideInfo, Tile


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

    Tiles at the slide's edge reach beyond it by half the overlap, where there is background.
    """
    size = tile_size_level0(spec.tile_size_px, spec.mpp, info.mpp)
    border = round(size * spec.overlap_px / spec.tile_size_px / 2)
    step = max(1, size - 2 * border)
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
