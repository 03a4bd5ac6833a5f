"""Kilobyte slides that OpenSlide really opens: whole, without µm/px, truncated, damaged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

MakeSlide = Callable[..., Path]


def spotted(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """A bright field with dark spots, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 240, np.uint8)
    y, x = np.mgrid[:height, :width]
    for cx, cy in rng.uniform((40, 40), (width - 40, height - 40), (12, 2)):
        pixels[(x - cx) ** 2 + (y - cy) ** 2 < 30**2] = (120, 160, 170)
        pixels[(x - cx) ** 2 + (y - cy) ** 2 < 8**2] = (60, 50, 110)
    return pixels


@pytest.fixture
def make_slide(tmp_path: Path) -> MakeSlide:
    """Writes an Aperio slide of one or more levels."""

    def make(
        pixels: NDArray[np.uint8] | None = None,
        mpp: float | None = 0.5,
        power: int | None = None,
        levels: tuple[int, ...] = (4,),
        name: str = "slide.svs",
    ) -> Path:
        image = spotted(1000, 800) if pixels is None else pixels
        facts = [f"MPP = {mpp}"] if mpp is not None else []
        facts += [f"AppMag = {power}"] if power is not None else []
        description = "|".join(["Aperio Image Library v0\r\n1x1", *facts])
        path = tmp_path / name
        with tifffile.TiffWriter(path) as tiff:
            for step in (1, *levels):
                tiff.write(
                    np.ascontiguousarray(image[::step, ::step]),
                    tile=(128, 128),
                    photometric="rgb",
                    compression="jpeg",
                    description=description,
                    metadata=None,
                )
        return path

    return make


def damage_tiles(path: Path, first: int, count: int) -> None:
    """Overwrites some tiles of level 0 with zeros."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        where = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    content = bytearray(path.read_bytes())
    for offset, size in where[first : first + count]:
        content[offset : offset + size] = bytes(size)
    path.write_bytes(content)
