"""Tells which parts of level 0 a slide's file holds; a tile that it lacks is not glass.

Reads the tile tables of TIFF files with tifffile; other containers are asked pixel by pixel.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import tifffile
from numpy.typing import NDArray

from service.pipeline.container import TIFF_MAGIC

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
#: (x, y, width, height), level-0 px.
Rectangle = tuple[int, int, int, int]

#: Where a file has no table of tiles, one pixel answers for a square of this side, level-0 px: a
#: present one costs the decoding of a tile (some ms), so smaller squares would cost minutes.
SAMPLE_SIDE_PX = 1024
#: Tiles whose sizes differ by less than this factor say nothing about what they show.
MIN_WEIGHT_SPREAD = 1.5


class TilePresence(Protocol):
    """Which parts of level 0 are in the file, on a grid of squares or tiles."""

    @property
    def tile_size(self) -> tuple[int, int]:
        """(width, height) of the grid, level-0 px."""
        ...

    @property
    def num_bytes(self) -> Ints:
        """(rows, columns), how much each holds; all alike where the file does not tell."""
        ...

    @property
    def num_absent_px(self) -> int | None:
        """Level-0 px that are not in the file; None where that can be told only by reading."""
        ...

    def held(self, x: Ints, y: Ints) -> Bools:
        """(N,) for N points on the slide, level-0 px."""
        ...


@dataclass(frozen=True)
class TileTable:
    """The tiles of one directory of a TIFF.

    Attributes:
        num_bytes: (rows, columns) of each tile; 0 where the file does not hold it.
        misplaced: (rows, columns), true where a tile has bytes but no place: the file's own header
            would be read as pixels.
        tile_size: (width, height), px.
        size: (width, height) of the whole, px.
    """

    num_bytes: Ints
    misplaced: Bools
    tile_size: tuple[int, int]
    size: tuple[int, int]

    @property
    def num_absent_px(self) -> int:
        """Px of the tiles that are not in the file, within the picture."""
        widths, heights = (
            np.minimum(step, side - np.arange(0, side, step))
            for side, step in zip(self.size, self.tile_size, strict=True)
        )
        return int((np.outer(heights, widths) * (self.num_bytes == 0)).sum())

    def held(self, x: Ints, y: Ints) -> Bools:
        """(N,) for N points of this directory, px."""
        return np.asarray(self.num_bytes[y // self.tile_size[1], x // self.tile_size[0]] > 0)

    def has_misplaced(self, x: float, y: float, width: float, height: float) -> bool:
        """True if a rectangle of this directory, px, touches a tile without a place."""
        if not self.misplaced.any():
            return False
        tile_width, tile_height = self.tile_size
        left, top = max(0, int(x // tile_width)), max(0, int(y // tile_height))
        right = max(0, math.ceil((x + width) / tile_width))
        bottom = max(0, math.ceil((y + height) / tile_height))
        return bool(self.misplaced[top:bottom, left:right].any())


@dataclass(frozen=True)
class SampledPresence:
    """Asks the slide itself, one pixel for every square of `SAMPLE_SIDE_PX`.

    Attributes:
        size: (width, height), level-0 px.
        is_held: whether the pixel of level 0 at (x, y) is in the file.
    """

    size: tuple[int, int]
    is_held: Callable[[int, int], bool]
    tile_size: tuple[int, int] = (SAMPLE_SIDE_PX, SAMPLE_SIDE_PX)
    num_absent_px: None = None

    @property
    def num_bytes(self) -> Ints:
        """(rows, columns), all 1."""
        columns, rows = (-(-side // SAMPLE_SIDE_PX) for side in self.size)
        return np.ones((rows, columns), np.int64)

    def held(self, x: Ints, y: Ints) -> Bools:
        """(N,) for N points, level-0 px; those in one square share the answer of one of them."""
        squares = np.stack([x // SAMPLE_SIDE_PX, y // SAMPLE_SIDE_PX], axis=1)
        _, square_of, counts = np.unique(squares, axis=0, return_inverse=True, return_counts=True)
        order = np.argsort(square_of.reshape(-1), kind="stable")
        middle = order[np.cumsum(counts) - counts + counts // 2]
        answers = np.array([self.is_held(int(x[at]), int(y[at])) for at in middle], np.bool_)
        return np.asarray(answers[square_of.reshape(-1)])


def grid_rectangle(presence: TilePresence, row: int, column: int) -> Rectangle:
    """(x, y, width, height) of a square of the grid, level-0 px; may reach beyond the slide."""
    width, height = presence.tile_size
    return column * width, row * height, width, height


def heaviest_in_squares(presence: TilePresence, num_squares: int) -> list[Rectangle]:
    """The heaviest tile in each of `num_squares` squared parts of the slide, heaviest first.

    The more bytes a tile takes, the more it shows. Empty where all tiles weigh about the same.
    """
    weights = presence.num_bytes
    held = weights[weights > 0]
    if not held.size or held.max() < MIN_WEIGHT_SPREAD * held.min():
        return []
    heaviest: list[tuple[int, int, int]] = []
    rows, columns = (np.array_split(np.arange(side), num_squares) for side in weights.shape)
    for part_rows in rows:
        for part_columns in columns:
            part = weights[np.ix_(part_rows, part_columns)]
            if part.size and part.max() > 0:
                row, column = divmod(int(part.argmax()), part.shape[1])
                heaviest.append((int(part.max()), int(part_rows[row]), int(part_columns[column])))
    ranked = sorted(heaviest, key=lambda tile: (-tile[0], tile[1:]))
    return [grid_rectangle(presence, row, column) for _, row, column in ranked]


def read_tile_tables(path: Path) -> dict[tuple[int, int], TileTable]:
    """The tile tables of a TIFF, by size in px of their directory; empty for other containers.

    Of directories of one size the first counts. Directories that are no simple grid of tiles
    (strips, separate colour planes, stacks) are left out.
    """
    with path.open("rb") as file:
        if not file.read(4).startswith(TIFF_MAGIC):
            return {}
    tables: dict[tuple[int, int], TileTable] = {}
    with tifffile.TiffFile(path) as tiff:
        for page in tiff.pages:
            table = _read_table(page) if isinstance(page, tifffile.TiffPage) else None
            if table is not None:
                tables.setdefault(table.size, table)
    return tables


def _read_table(page: tifffile.TiffPage) -> TileTable | None:
    if not page.is_tiled or page.imagedepth != 1:
        return None
    width, height = page.imagewidth, page.imagelength
    shape = -(-height // page.tilelength), -(-width // page.tilewidth)
    num_bytes = np.asarray(page.databytecounts, np.int64)
    offsets = np.asarray(page.dataoffsets, np.int64)
    if num_bytes.size != shape[0] * shape[1] or offsets.size != num_bytes.size:
        return None
    return TileTable(
        np.where(offsets > 0, num_bytes, 0).reshape(shape),
        ((offsets == 0) & (num_bytes > 0)).reshape(shape),
        (page.tilewidth, page.tilelength),
        (width, height),
    )
