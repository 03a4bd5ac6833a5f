"""Makes good, from finer levels, what a level of a slide lacks; says what remains missing.

OpenSlide gives transparent pixels where a file holds none.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from service.pipeline.tile_presence import TilePresence
from service.pipeline.types import SlideInfo

Pixels = NDArray[np.uint8]
Bools = NDArray[np.bool_]

#: A shrunk px of which less than this is in the file counts as missing.
MIN_HELD_SHARE = 0.5


class PixelSource(Protocol):
    """An open slide."""

    @property
    def info(self) -> SlideInfo:
        """What the slide is."""
        ...

    @property
    def presence(self) -> TilePresence:
        """Which parts of level 0 the file holds."""
        ...

    def read_rgba(self, x: float, y: float, level: int, width: int, height: int) -> Pixels:
        """(height, width, 4) uint8 of a level, transparent where the file holds nothing.

        Args:
            x, y: level-0 px of the top left corner.
            level: pyramid level.
            width, height: px of that level.

        Raises:
            SlideUnreadableError: these pixels are damaged.
        """
        ...


def read_filled(
    slide: PixelSource, x: float, y: float, level: int, width: int, height: int
) -> Pixels:
    """As `PixelSource.read_rgba`; what the level lacks comes from finer ones that have it."""
    rgba = slide.read_rgba(x, y, level, width, height)
    if level == 0 or rgba[..., 3].min(initial=255) == 255:
        return rgba
    holes = rgba[..., 3] < 255
    rows, columns = np.nonzero(holes)
    downsample = slide.info.level_downsamples[level]
    centres = (np.stack([columns, rows], axis=1) + 0.5) * downsample + (x, y)
    if not level0_holds_any(slide, centres):
        return rgba
    finer = next_finer_level(slide.info.level_downsamples, level)
    step = downsample / slide.info.level_downsamples[finer]
    size = round(width * step), round(height * step)
    filling = read_filled(slide, x, y, finer, *size)
    pixels, held = shrink_rgba(filling, (width, height), slide.info.background_rgb)
    filled = rgba.copy()
    filled[holes & held, :3], filled[holes & held, 3] = pixels[holes & held], 255
    return filled


def level0_holds_any(slide: PixelSource, points_xy: NDArray[np.floating[Any]]) -> bool:
    """True if level 0 holds any of (N, 2) places, level-0 px; none beyond the slide counts."""
    x, y = np.floor(points_xy).astype(np.int64).T
    on_slide = (x >= 0) & (y >= 0) & (x < slide.info.width) & (y < slide.info.height)
    if not on_slide.any():
        return False
    return bool(slide.presence.held(x[on_slide], y[on_slide]).any())


def next_finer_level(level_downsamples: Sequence[float], level: int) -> int:
    """The coarsest level that is finer than `level`; 0 where there is none."""
    finer = [
        other
        for other, downsample in enumerate(level_downsamples)
        if downsample < level_downsamples[level]
    ]
    return max(finer, key=lambda other: level_downsamples[other], default=0)


def shrink_rgba(
    rgba: Pixels, size: tuple[int, int], background_rgb: tuple[int, int, int]
) -> tuple[Pixels, Bools]:
    """A picture at (width, height), averaged over what the file holds, and where it holds any.

    Returns:
        (height, width, 3) uint8 RGB, the background where nothing is held; (height, width) bool.
    """
    if rgba[..., 3].min(initial=255) == 255:
        shrunk = cv2.resize(rgba[..., :3], size, interpolation=cv2.INTER_AREA)
        return np.asarray(shrunk, np.uint8), np.ones(size[::-1], np.bool_)
    weighted = rgba.copy()
    for channel in range(3):
        weighted[..., channel] = cv2.multiply(rgba[..., channel], rgba[..., 3], scale=1 / 255)
    mean = np.asarray(cv2.resize(weighted, size, interpolation=cv2.INTER_AREA), np.float32)
    alpha = mean[..., 3:]
    held = alpha[..., 0] >= 255 * MIN_HELD_SHARE
    colour = np.rint(np.minimum(mean[..., :3] * (255 / np.maximum(alpha, 1)), 255))
    colour[~held] = background_rgb
    return colour.astype(np.uint8), np.asarray(held)
