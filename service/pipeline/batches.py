"""Reads tiles ahead of the detector and hands them over in batches.

Owns threads and resampling; what a tile is and where it lies is decided in `tiles.py`.
"""

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
                waiting.append((chosen, [pool.submit(_read, slide, plan, t) for t in chosen]))
                if len(waiting) > BATCHES_AHEAD:
                    yield _collect(*waiting.popleft(), plan)
            while waiting:
                yield _collect(*waiting.popleft(), plan)
        finally:
            pool.shutdown(cancel_futures=True)


def _collect(
    tiles: Sequence[Tile], reads: list[Future[Pixels | None]], plan: TilePlan
) -> ReadBatch:
    found = [(tile, read.result()) for tile, read in zip(tiles, reads, strict=True)]
    good = [(tile, pixels) for tile, pixels in found if pixels is not None]
    side = plan.spec.tile_size_px
    stacked = np.stack([pixels for _, pixels in good]) if good else np.zeros((0, side, side, 3))
    origin = np.array([(tile.x, tile.y) for tile, _ in good], np.float64).reshape(-1, 2)
    return ReadBatch(
        TileBatch(stacked.astype(np.uint8, copy=False), origin, plan.downsample),
        np.array([tile.index for tile, _ in good], np.int32),
        tuple(tile.index for tile, pixels in found if pixels is None),
    )


def _read(slide: Slide, plan: TilePlan, tile: Tile) -> Pixels | None:
    """Pixels of a tile at the detector's µm/px, or None if they are damaged."""
    side = plan.read_size_px
    try:
        pixels = slide.read_region(tile.x, tile.y, plan.level, side, side)
    except SlideUnreadableError:
        return None
    return resize_pixels(pixels, (plan.spec.tile_size_px,) * 2)


def resize_pixels(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """The picture at (width, height) px, (height, width, 3) uint8; averaged when shrinking."""
    if pixels.shape[1::-1] == size:
        return pixels
    shrinks = pixels.shape[1] >= size[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)
