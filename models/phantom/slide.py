"""A phantom written as an Aperio slide: a tiled JPEG pyramid that OpenSlide opens as `aperio`.

Level 0 is drawn in strips and the levels below it are averaged as it goes, so that memory does not
grow with the slide.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from models.errors import PhantomError
from models.phantom.layout import lay_out
from models.phantom.render import Scene, make_scene, render_region
from models.phantom.spec import PhantomSpec
from models.phantom.truth import truth_path, truth_to_geojson

TILE_PX = 256
STRIP_PX = 4 * TILE_PX
BLOCK_PX = 2048
LEVEL_STEP = 4
#: Levels stop when their longer side is no longer than this.
SMALLEST_LEVEL_PX = 1024
THUMBNAIL_PX = 768
JPEG_QUALITY = 85
BIGTIFF_ABOVE_PX = 3_000_000_000

OnStrip = Callable[[int, int], None]


def draw_phantom(
    path: Path, spec: PhantomSpec, on_strip: OnStrip = lambda done, total: None
) -> Path:
    """Draws a slide and, beside it, its truth.

    Args:
        path: of the slide, *.svs; replaced at once or not at all.
        spec: what to draw.
        on_strip: called with (strips done, strips in all).

    Returns:
        Where the truth lies.

    Raises:
        PhantomError: the file cannot be written.
    """
    things = lay_out(
        spec.seed, spec.width * spec.mpp, spec.height * spec.mpp, spec.num_cells, spec.mix
    )
    scene = make_scene(spec.seed, things, spec.mpp)
    truth = truth_path(path)
    part = path.with_name(path.name + ".part")
    truth_part = truth.with_name(truth.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_pyramid(part, spec, scene, on_strip)
        truth_part.write_text(truth_to_geojson(things, spec.mpp, spec.seed), encoding="utf-8")
        os.replace(truth_part, truth)
        os.replace(part, path)
    except OSError as error:
        raise PhantomError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        for unfinished in (part, truth_part):
            if unfinished.exists():
                unfinished.unlink()
    return truth


def _write_pyramid(part: Path, spec: PhantomSpec, scene: Scene, on_strip: OnStrip) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=part.parent)))
        levels = _make_levels(folder, spec)
        tiff = stack.enter_context(
            tifffile.TiffWriter(part, bigtiff=spec.width * spec.height > BIGTIFF_ABOVE_PX)
        )
        strips = _draw_strips(spec, scene, levels, on_strip)
        _write_level(tiff, (spec.height, spec.width), _cut_tiles(strips), _describe(spec))
        smallest = levels[-1] if levels else render_region(scene, 0, 0, spec.width, spec.height)
        _write_thumbnail(tiff, smallest, spec)
        for level in levels:
            rows = (level[y : y + TILE_PX] for y in range(0, len(level), TILE_PX))
            _write_level(tiff, level.shape[:2], _cut_tiles(rows), _describe(spec, level.shape))
        for level in levels:
            level._mmap.close()  # type: ignore[attr-defined]


def _make_levels(folder: Path, spec: PhantomSpec) -> list[NDArray[np.uint8]]:
    """Files in memory's place for the levels below level 0, each a quarter of the one above."""
    levels: list[NDArray[np.uint8]] = []
    height, width = spec.height, spec.width
    while max(height, width) > SMALLEST_LEVEL_PX:
        height, width = max(1, height // LEVEL_STEP), max(1, width // LEVEL_STEP)
        path = folder / f"level{len(levels) + 1}"
        levels.append(np.memmap(path, np.uint8, "w+", shape=(height, width, 3)))
    return levels


def _draw_strips(
    spec: PhantomSpec, scene: Scene, levels: list[NDArray[np.uint8]], on_strip: OnStrip
) -> Iterator[NDArray[np.uint8]]:
    starts = range(0, spec.height, STRIP_PX)
    for index, y in enumerate(starts):
        rows = min(STRIP_PX, spec.height - y)
        blocks = [
            render_region(scene, x, y, min(BLOCK_PX, spec.width - x), rows)
            for x in range(0, spec.width, BLOCK_PX)
        ]
        strip = np.concatenate(blocks, axis=1)
        _average_into(levels, strip, y)
        yield strip
        on_strip(index + 1, len(starts))


def _average_into(levels: list[NDArray[np.uint8]], strip: NDArray[np.uint8], y: int) -> None:
    """Averages a strip of level 0 into every level; 1024 rows are whole rows of the first five."""
    for level in levels:
        height, width = strip.shape[0] // LEVEL_STEP, level.shape[1]
        y //= LEVEL_STEP
        height = min(height, len(level) - y)
        if height <= 0:
            return
        whole = strip[: height * LEVEL_STEP, : width * LEVEL_STEP]
        strip = np.asarray(
            cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8
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
    tiff: tifffile.TiffWriter, pixels: NDArray[np.uint8], spec: PhantomSpec
) -> None:
    """The second directory of an Aperio slide: stripped, which is how it is told from a level."""
    scale = THUMBNAIL_PX / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    tiff.write(small, rowsperstrip=16, description=_describe(spec, small.shape), **_jpeg())


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


def _describe(spec: PhantomSpec, shape: tuple[int, ...] | None = None) -> str:
    """The ImageDescription by which OpenSlide knows an Aperio file, its µm/px and objective."""
    whole = f"{spec.width}x{spec.height} [0,0 {spec.width}x{spec.height}] ({TILE_PX}x{TILE_PX})"
    size = whole if shape is None else f"{whole} -> {shape[1]}x{shape[0]}"
    magnification = round(10 / spec.mpp)
    return (
        f"Aperio Image Library v0\r\n{size} JPEG/RGB Q={JPEG_QUALITY}"
        f"|AppMag = {magnification}|MPP = {spec.mpp:g}|ScanScope ID = CytoLibra phantom"
    )
