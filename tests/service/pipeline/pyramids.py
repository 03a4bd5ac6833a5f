"""Tiled TIFF pyramids of any levels, with tiles that the file lacks, and a detector that looks."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from models.detector import Detections, InputSpec, TileBatch, spread_scores
from tests.fake_detector import FakeDetector

Pixels = NDArray[np.uint8]
TILE_PX = 256
#: Nuclei of phantoms are darker than this, everything else is brighter.
NUCLEUS_GREY = 110
MIN_NUCLEUS_UM2 = 12.0


def shrink(pixels: Pixels, step: int) -> Pixels:
    """Averaged, sides rounded down."""
    size = pixels.shape[1] // step, pixels.shape[0] // step
    whole = pixels[: size[1] * step, : size[0] * step]
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)


def write_pyramid(
    path: Path,
    levels: Sequence[Pixels],
    missing: Mapping[int, set[tuple[int, int]]] | None = None,
    mpp: float = 0.25,
    compression: str | None = "deflate",
) -> Path:
    """A generic pyramidal TIFF; `missing` are (row, column) of tiles not written, by level.

    The first tile of a level cannot be missing.
    """
    with tifffile.TiffWriter(path) as tiff:
        for index, level in enumerate(levels):
            per_cm = 1e4 / mpp / (levels[0].shape[1] / level.shape[1])
            tiff.write(
                _cut(level, (missing or {}).get(index, set())),
                shape=level.shape,
                dtype=np.uint8,
                tile=(TILE_PX, TILE_PX),
                photometric="rgb",
                compression=compression,
                metadata=None,
                subfiletype=1 if index else 0,
                resolution=(per_cm, per_cm),
                resolutionunit="CENTIMETER",
            )
    return path


def displace_tile(path: Path, level: int, number: int) -> None:
    """Gives a tile the offset 0, but leaves it its byte count."""
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[level].tags["TileOffsets"]
        place, size = tag.valueoffset, {4: 4, 16: 8}[tag.dtype]
    content = bytearray(path.read_bytes())
    struct.pack_into("<I" if size == 4 else "<Q", content, place + number * size, 0)
    path.write_bytes(content)


def _cut(level: Pixels, missing: set[tuple[int, int]]) -> Iterator[Pixels | None]:
    height, width = level.shape[:2]
    for row in range(-(-height // TILE_PX)):
        for column in range(-(-width // TILE_PX)):
            y, x = row * TILE_PX, column * TILE_PX
            tile = level[y : y + TILE_PX, x : x + TILE_PX]
            padding = (0, TILE_PX - tile.shape[0]), (0, TILE_PX - tile.shape[1]), (0, 0)
            yield None if (row, column) in missing else np.pad(tile, padding, mode="edge")


class NucleusDetector(FakeDetector):
    """Finds what is dark: unlike `FakeDetector`, it depends on the pixels that it is shown."""

    def __init__(self, spec: InputSpec) -> None:
        nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int16), np.zeros(0, np.float32)
        super().__init__(*nothing, spec)

    def detect(self, batch: TileBatch) -> Detections:
        """A cell for every dark spot."""
        boxes, tile_index = [np.zeros((0, 4))], list[int]()
        min_area_px = MIN_NUCLEUS_UM2 / self.info.input.mpp**2
        for index, pixels in enumerate(batch.pixels):
            dark = (cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) < NUCLEUS_GREY).astype(np.uint8)
            stats = cv2.connectedComponentsWithStats(dark)[2][1:].astype(np.float64)
            stats = stats[stats[:, cv2.CC_STAT_AREA] >= min_area_px]
            corners = np.hstack([stats[:, :2], stats[:, :2] + stats[:, 2:4]])
            origin = np.tile(batch.origin_xy[index], 2)
            boxes.append(corners * batch.downsample + origin)
            tile_index += [index] * len(stats)
        bbox = np.concatenate(boxes).astype(np.float32)
        score = np.full(len(bbox), 0.9, np.float32)
        label = np.zeros(len(bbox), np.int16)
        class_scores = spread_scores(score, label, len(self.info.classes))
        return Detections(bbox, score, label, np.array(tile_index, np.int32), class_scores)


def write_repeated(path: Path, size: tuple[int, int], tile: Pixels, step: int, mpp: float) -> Path:
    """A slide of any size in little room: one tile at every place, and a level `step` below it."""
    width, height = size
    small = shrink(tile, step)
    repeats = -(-height // TILE_PX), -(-width // TILE_PX), 1
    level = np.tile(small, repeats)[: height // step, : width // step]
    num_tiles = repeats[0] * repeats[1]
    with tifffile.TiffWriter(path) as tiff:
        for pixels, shape in ((tile, (height, width, 3)), (level, level.shape)):
            tiles = _first_alone(tile, num_tiles) if pixels is tile else _cut(level, set())
            tiff.write(
                tiles,
                shape=shape,
                dtype=np.uint8,
                tile=(TILE_PX, TILE_PX),
                photometric="rgb",
                compression="deflate",
                metadata=None,
                subfiletype=0 if pixels is tile else 1,
                resolution=(1e4 / mpp, 1e4 / mpp),
                resolutionunit="CENTIMETER",
            )
    _point_to_first(path)
    return path


def _first_alone(tile: Pixels, num_tiles: int) -> Iterator[Pixels | None]:
    yield tile
    yield from (None for _ in range(num_tiles - 1))


def _point_to_first(path: Path) -> None:
    """Makes every tile of level 0 the first one."""
    with tifffile.TiffFile(path) as tiff:
        tags = [tiff.pages[0].tags[name] for name in ("TileOffsets", "TileByteCounts")]
        places = [(tag.valueoffset, tag.count, tag.value[0], int(tag.dtype)) for tag in tags]
    with path.open("r+b") as file:
        for place, count, value, kind in places:
            dtype = {3: "<u2", 4: "<u4", 16: "<u8"}[kind]
            file.seek(place)
            file.write(np.full(count, value, dtype).tobytes())
