"""Writes an Aperio slide from strips of pixels: a tiled JPEG pyramid that OpenSlide opens.

Level 0 comes in strips and the levels below it are averaged as it goes, so that memory does not
grow with the slide. What the strips show is left to the caller.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

TILE_PX = 256
STRIP_PX = 4 * TILE_PX
LEVEL_STEP = 4
#: Levels stop when their longer side is no longer than this.
SMALLEST_LEVEL_PX = 1024
THUMBNAIL_PX = 768
JPEG_QUALITY = 85
BIGTIFF_ABOVE_PX = 3_000_000_000


@dataclass(frozen=True)
class AperioFacts:
    """Metadata of the file.

    Attributes:
        width, height: level-0 px.
        mpp: µm per level-0 px.
        scanner: its ScanScope ID.
    """

    width: int
    height: int
    mpp: float
    scanner: str


def write_aperio(path: Path, facts: AperioFacts, strips: Iterable[NDArray[np.uint8]]) -> None:
    """Writes a slide; the file is complete only when this returns.

    Args:
        path: of the slide.
        facts: of the whole slide.
        strips: (rows, width, 3) RGB from the top, `STRIP_PX` rows each but for the last.

    Raises:
        OSError: the file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=path.parent)))
        levels = _make_levels(folder, facts)
        tiff = stack.enter_context(
            tifffile.TiffWriter(path, bigtiff=facts.width * facts.height > BIGTIFF_ABOVE_PX)
        )
        # Without lower levels, level 0 itself is small enough for the thumbnail.
        smallest = levels[-1] if levels else np.empty((facts.height, facts.width, 3), np.uint8)
        written = _average_strips(strips, levels or [smallest], bool(levels))
        _write_level(tiff, (facts.height, facts.width), _cut_tiles(written), _describe(facts))
        _write_thumbnail(tiff, smallest, facts)
        for level in levels:
            rows = (level[y : y + TILE_PX] for y in range(0, len(level), TILE_PX))
            _write_level(tiff, level.shape[:2], _cut_tiles(rows), _describe(facts, level.shape))
        for level in levels:
            level._mmap.close()  # type: ignore[attr-defined]


def _make_levels(folder: Path, facts: AperioFacts) -> list[NDArray[np.uint8]]:
    """Memory-mapped files for the levels below level 0, each a quarter of the level above."""
    levels: list[NDArray[np.uint8]] = []
    height, width = facts.height, facts.width
    while max(height, width) > SMALLEST_LEVEL_PX:
        height, width = max(1, height // LEVEL_STEP), max(1, width // LEVEL_STEP)
        path = folder / f"level{len(levels) + 1}"
        levels.append(np.memmap(path, np.uint8, "w+", shape=(height, width, 3)))
    return levels


def _average_strips(
    strips: Iterable[NDArray[np.uint8]], levels: list[NDArray[np.uint8]], has_lower: bool
) -> Iterator[NDArray[np.uint8]]:
    """The strips unchanged, each after it was averaged into every lower level.

    Without lower levels, `levels` holds a copy of level 0 instead.
    """
    y = 0
    for strip in strips:
        if has_lower:
            _average_into(levels, strip, y)
        else:
            levels[0][y : y + len(strip)] = strip
        yield strip
        y += len(strip)


def _average_into(levels: list[NDArray[np.uint8]], strip: NDArray[np.uint8], y: int) -> None:
    """Averages a strip of level 0 into every level; 1024 rows are whole rows of the first five."""
    for level in levels:
        height, width = strip.shape[0] // LEVEL_STEP, level.shape[1]
        y //= LEVEL_STEP
        height = min(height, len(level) - y)
        if height <= 0:
            return
        divisible = strip[: height * LEVEL_STEP, : width * LEVEL_STEP]
        strip = np.asarray(
            cv2.resize(divisible, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
        level[y : y + height] = strip


def _cut_tiles(strips: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Tiles of a level in reading order, the last ones of a row or column padded."""
    for strip in strips:
        for y in range(0, strip.shape[0], TILE_PX):
            for x in range(0, strip.shape[1], TILE_PX):
                tile = strip[y : y + TILE_PX, x : x + TILE_PX]
                missing = [(0, TILE_PX - tile.shape[0]), (0, TILE_PX - tile.shape[1]), (0, 0)]
                yield np.pad(tile, missing, mode="edge") if tile.size < TILE_PX**2 * 3 else tile


def _write_level(
    tiff: tifffile.TiffWriter,
    shape: tuple[int, ...],
    tiles: Iterator[NDArray[np.uint8]],
    description: str,
) -> None:
    tiff.write(
        tiles,
        shape=(*shape, 3),
        dtype=np.uint8,
        tile=(TILE_PX, TILE_PX),
        description=description,
        **_jpeg(),
    )


def _write_thumbnail(
    tiff: tifffile.TiffWriter, pixels: NDArray[np.uint8], facts: AperioFacts
) -> None:
    """The second directory of an Aperio slide: in strips, by which readers tell it from a level."""
    scale = THUMBNAIL_PX / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    tiff.write(small, rowsperstrip=16, description=_describe(facts, small.shape), **_jpeg())


def _jpeg() -> dict[str, Any]:
    return {
        "photometric": "rgb",
        "subsampling": (2, 2),
        "compression": "jpeg",
        "compressionargs": {"level": JPEG_QUALITY},
        "metadata": None,
        "software": False,
        "maxworkers": 1,
    }


def _describe(facts: AperioFacts, shape: tuple[int, ...] | None = None) -> str:
    """The ImageDescription from which OpenSlide reads vendor, µm/px and objective."""
    full_size = (
        f"{facts.width}x{facts.height} [0,0 {facts.width}x{facts.height}] ({TILE_PX}x{TILE_PX})"
    )
    size = full_size if shape is None else f"{full_size} -> {shape[1]}x{shape[0]}"
    return (
        f"Aperio Image Library v0\r\n{size} JPEG/RGB Q={JPEG_QUALITY}"
        f"|AppMag = {round(10 / facts.mpp)}|MPP = {facts.mpp:g}|ScanScope ID = {facts.scanner}"
    )
