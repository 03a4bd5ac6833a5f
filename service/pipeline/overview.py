"""A whole slide as one small picture, read in blocks, with what is damaged and what is missing.

A level whose tiles are missing where level 0 has them is replaced there by the next finer one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import SlideUnreadableError
from service.pipeline.geometry import best_level
from service.pipeline.missing_tiles import (
    PixelSource,
    level0_holds_any,
    next_finer_level,
    shrink_rgba,
)

#: An overview is read in squares of this side, px of the level, 16 MiB each; damaged ones are
#: halved down to about a scanner's own tile, so that little more than the damage is lost.
OVERVIEW_BLOCK_PX, OVERVIEW_GRAIN_PX = 2048, 256
#: Neither glass nor stain.
DAMAGED_GREY = 160


@dataclass(frozen=True)
class Overview:
    """A whole slide, small; 5 bytes a pixel.

    Attributes:
        pixels: (H, W, 3) uint8 RGB; grey where damaged, the slide's background where not held.
        damaged: (H, W) bool, what could not be read.
        held: (H, W) bool, what the file holds at this level or, instead of it, at a finer one.
        downsample: level-0 px per px of it.
        level: pyramid level that was read.
    """

    pixels: NDArray[np.uint8]
    damaged: NDArray[np.bool_]
    held: NDArray[np.bool_]
    downsample: float
    level: int


@dataclass(frozen=True)
class _Block:
    """A rectangle of an overview, overview px; may reach beyond it."""

    left: int
    top: int
    width: int
    height: int

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the overview."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )


def read_overview(slide: PixelSource, downsample: float) -> Overview:
    """The whole slide, small; no level is ever held whole.

    Args:
        slide: open.
        downsample: level-0 px per px of the picture; no slide is blown up.
    """
    info, limited = slide.info, max(1.0, downsample)
    width, height = max(1, int(info.width / limited)), max(1, int(info.height / limited))
    exact = max(info.width / width, info.height / height)
    level = best_level(info.level_downsamples, exact)
    overview = Overview(
        np.empty((height, width, 3), np.uint8),
        np.zeros((height, width), np.bool_),
        np.ones((height, width), np.bool_),
        exact,
        level,
    )
    overview.pixels[:] = DAMAGED_GREY
    _fill_blocks(slide, overview, level, _Block(0, 0, width, height))
    return overview


def read_parts(
    slide: PixelSource, level: int, places: NDArray[np.bool_], downsample: float
) -> Iterator[tuple[tuple[slice, slice], Overview]]:
    """Those parts of the slide, small, in which some places lie, as a given level shows them.

    Args:
        slide: open.
        level: that is read, also where it is coarser than the picture.
        places: (H, W) bool over the whole slide.
        downsample: level-0 px per px of `places`.

    Yields:
        Rows and columns of `places`, and the overview of these alone.
    """
    height, width = places.shape
    pixels = np.empty((height, width, 3), np.uint8)
    damaged, held = (np.zeros((height, width), np.bool_) for _ in range(2))
    overview = Overview(pixels, damaged, held, downsample, level)
    for block in _cut_blocks(slide, overview, level, _Block(0, 0, width, height)):
        here = block.place
        if places[here].any():
            pixels[here] = DAMAGED_GREY
            _fill_block(slide, overview, level, block)
            yield here, Overview(pixels[here], damaged[here], held[here], downsample, level)


def _fill_blocks(slide: PixelSource, overview: Overview, level: int, area: _Block) -> None:
    """Fills an area from a level, in blocks that are small at that level."""
    for block in _cut_blocks(slide, overview, level, area):
        _fill_block(slide, overview, level, block)


def _cut_blocks(
    slide: PixelSource, overview: Overview, level: int, area: _Block
) -> Iterator[_Block]:
    scale = overview.downsample / slide.info.level_downsamples[level]
    side = max(1, int(OVERVIEW_BLOCK_PX / scale))
    height, width = overview.damaged.shape
    right, bottom = min(area.left + area.width, width), min(area.top + area.height, height)
    for top in range(area.top, bottom, side):
        for left in range(area.left, right, side):
            yield _Block(left, top, min(side, right - left), min(side, bottom - top))


def _fill_block(slide: PixelSource, overview: Overview, level: int, block: _Block) -> None:
    """Fills one block; of a damaged one, what of its quarters can be read."""
    here = block.place
    height, width = overview.damaged[here].shape
    if not height * width:
        return
    scale = overview.downsample / slide.info.level_downsamples[level]
    try:
        rgba = slide.read_rgba(
            int(block.left * overview.downsample),
            int(block.top * overview.downsample),
            level,
            max(1, round(width * scale)),
            max(1, round(height * scale)),
        )
    except SlideUnreadableError:
        side = max(block.width, block.height)
        if side * scale <= OVERVIEW_GRAIN_PX or side == 1:
            overview.damaged[here] = True
        else:
            _fill_quarters(slide, overview, level, block)
        return
    pixels, held = shrink_rgba(rgba, (width, height), slide.info.background_rgb)
    overview.pixels[here], overview.held[here] = pixels, held
    if level == 0 or held.all():
        return
    rows, columns = np.nonzero(~held)
    centres = np.stack([columns + block.left, rows + block.top], axis=1) + 0.5
    if level0_holds_any(slide, centres * overview.downsample):
        finer = next_finer_level(slide.info.level_downsamples, level)
        _fill_blocks(slide, overview, finer, block)


def _fill_quarters(slide: PixelSource, overview: Overview, level: int, block: _Block) -> None:
    half_width, half_height = -(-block.width // 2), -(-block.height // 2)
    for x, width in ((0, half_width), (half_width, block.width - half_width)):
        for y, height in ((0, half_height), (half_height, block.height - half_height)):
            quarter = _Block(block.left + x, block.top + y, width, height)
            _fill_block(slide, overview, level, quarter)
