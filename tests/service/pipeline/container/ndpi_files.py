"""Small Hamamatsu NDPI slides with focal planes, written byte by byte."""

import struct
from collections.abc import Sequence
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray

SHORT, LONG, RATIONAL, FLOAT, SLONG, ASCII = 3, 4, 5, 11, 9, 2
MAKE = b"Hamamatsu\0"


def write_ndpi(
    path: Path,
    pixels: NDArray[np.uint8],
    heights_nm: Sequence[int],
    powers: Sequence[float] | None = None,
) -> Path:
    """An NDPI slide of one level: each plane a JPEG page, its height over the focus in a tag.

    Offsets of directories have 8 bytes, and the upper halves of all values follow a directory.

    Args:
        path: to write.
        pixels: (H, W, 3), the same in every plane.
        heights_nm: one per page.
        powers: of the objective, one per page, -1 for an overview; all 40 if not given.
    """
    jpeg = imagecodecs.jpeg8_encode(pixels, level=95)
    content = bytearray(b"II*\0" + bytes(8))
    link_at = 4
    for height_nm, power in zip(heights_nm, powers or [40.0] * len(heights_nm), strict=True):
        make_at = len(content)
        content += MAKE + struct.pack("<II", 40_000, 1)
        jpeg_at = len(content)
        content += jpeg + bytes(len(jpeg) % 2)
        struct.pack_into("<Q", content, link_at, len(content))
        entries = _entries(pixels, make_at, jpeg_at, len(jpeg), height_nm, power)
        content += struct.pack("<H", len(entries)) + b"".join(entries)
        link_at = len(content)
        content += bytes(8 + 4 * len(entries))
    path.write_bytes(content)
    return path


def _entries(
    pixels: NDArray[np.uint8],
    make_at: int,
    jpeg_at: int,
    jpeg_bytes: int,
    height_nm: int,
    power: float,
) -> list[bytes]:
    height, width = pixels.shape[:2]
    resolution_at = make_at + len(MAKE)
    values: list[tuple[int, int, int, int | float]] = [
        (256, LONG, 1, width),
        (257, LONG, 1, height),
        (259, SHORT, 1, 7),
        (262, SHORT, 1, 6),
        (271, ASCII, len(MAKE), make_at),
        (273, LONG, 1, jpeg_at),
        (277, SHORT, 1, 3),
        (278, LONG, 1, height),
        (279, LONG, 1, jpeg_bytes),
        (282, RATIONAL, 1, resolution_at),
        (283, RATIONAL, 1, resolution_at),
        (296, SHORT, 1, 3),
        (65420, LONG, 1, 1),
        (65421, FLOAT, 1, power),
        (65424, SLONG, 1, height_nm),
    ]
    return [
        struct.pack("<HHI", tag, kind, count) + struct.pack("<f" if kind == FLOAT else "<i", value)
        for tag, kind, count, value in values
    ]
