"""Reads tiles ahead of the detector and hands them over in batches.

Owns threads and resampling; what a tile is and where it lies is decided in `tiles.py`.
"""

import math
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.errors import SlideUnreadableError
from service.pipeline.slide import Slide
from service.pipeline.tiles import TilePlan
from service.pipeline.types import Tile, TileBatch

Pixels = NDArray[np.uint8]

#: Batches that are read while one is worked on; each is a few MB.
BATCHES_AHEAD = 2
#: What cubic interpolation needs on every side.
RESAMPLE_MARGIN_PX = 3


@dataclass(frozen=True)
class ReadBatch:
    """Tiles that were asked for together.

    Attributes:
        batch: those that could be read.
        tile_index: (B,) of those, in the plan.
        unreadable: indices in the plan of the others.
    """

    batch: TileBatch
    tile_index: NDArray[np.int32]
    unreadable: tuple[int, ...]


def read_batches(
    slide: Slide, plan: TilePlan, tiles: Sequence[Tile], batch_size: int, num_readers: int
) -> Generator[ReadBatch, None, None]:
    """The tiles in batches, in order; ends its threads also when it is closed early."""
    with ThreadPoolExecutor(num_readers, "tile-reader") as pool:
        waiting: deque[tuple[Sequence[Tile], list[Future[Pixels | None]]]] = deque()
        try:
            for start in range(0, len(tiles), batch_size):
                chosen = tiles[start : start + batch_size]
                waiting.append((chosen, [pool.submit(_read, slide, plan, tile) for tile in chosen]))
                if len(waiting) > BATCHES_AHEAD:
                    yield _collect(*waiting.popleft(), plan)
            while waiting:
                yield _collect(*waiting.popleft(), plan)
        finally:
            pool.shutdown(cancel_futures=True)


def _collect(
    tiles: Sequence[Tile], reads: list[Future[Pixels | None]], plan: TilePlan
) -> ReadBatch:
    results = [(tile, read.result()) for tile, read in zip(tiles, reads, strict=True)]
    readable = [(tile, pixels) for tile, pixels in results if pixels is not None]
    side = plan.spec.tile_size_px
    empty = np.zeros((0, side, side, 3), np.uint8)
    stacked = np.stack([pixels for _, pixels in readable]) if readable else empty
    origin = np.array([(tile.x, tile.y) for tile, _ in readable], np.float64).reshape(-1, 2)
    return ReadBatch(
        TileBatch(stacked, origin, plan.downsample),
        np.array([tile.index for tile, _ in readable], np.int32),
        tuple(tile.index for tile, pixels in results if pixels is None),
    )


def _read(slide: Slide, plan: TilePlan, tile: Tile) -> Pixels | None:
    """Pixels of a tile at the detector's µm/px, or None if they are damaged."""
    side = plan.spec.tile_size_px
    try:
        return read_square(slide, (tile.x, tile.y), plan.level, plan.downsample, side)
    except SlideUnreadableError:
        return None


def read_square(
    slide: Slide, corner_xy: tuple[float, float], level: int, downsample: float, side_px: int
) -> Pixels:
    """A square at exactly a scale, from exactly a place, (side_px, side_px, 3) uint8 RGB.

    Args:
        slide: open.
        corner_xy: its top left corner, level-0 px, between pixels where need be.
        level: pyramid level to read.
        downsample: level-0 px per px of the square.
        side_px: of the square, in its own px.

    Raises:
        SlideUnreadableError: the slide is damaged there.
    """
    level_downsample = slide.info.level_downsamples[level]
    scale = downsample / level_downsample
    corner = [value / level_downsample for value in corner_xy]
    if all(_is_whole(value) for value in (*corner, scale * side_px)):
        size_px = round(scale * side_px)
        pixels = slide.read_region(*corner_xy, level, size_px, size_px)
        return resize_pixels(pixels, (side_px, side_px))
    left, top = (math.floor(value) - RESAMPLE_MARGIN_PX for value in corner)
    size_px = math.ceil(scale * side_px) + 2 * RESAMPLE_MARGIN_PX + 1
    pixels = slide.read_region(
        left * level_downsample, top * level_downsample, level, size_px, size_px
    )
    return _resample(pixels, (corner[0] - left, corner[1] - top), scale, side_px)


def _is_whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-6


def _resample(pixels: Pixels, corner_xy: tuple[float, float], scale: float, side_px: int) -> Pixels:
    """A square of a picture from between its pixels, `scale` px of the picture per px.

    The picture is first blown up to a whole number of px per px, and these are then averaged: so
    nothing is skipped when it shrinks.
    """
    parts = math.ceil(scale - 1e-6)
    step = scale / parts
    # cv2 counts from the middle of the first pixel, places from its corner.
    offset = [value + step / 2 - 0.5 for value in corner_xy]
    matrix = np.array([[step, 0, offset[0]], [0, step, offset[1]]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(
        pixels, matrix, (side_px * parts,) * 2, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return resize_pixels(np.asarray(fine, np.uint8), (side_px, side_px))


def resize_pixels(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """The picture at (width, height) px, (height, width, 3) uint8; averaged when shrinking."""
    if pixels.shape[1::-1] == size:
        return pixels
    shrinks = pixels.shape[1] >= size[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)
