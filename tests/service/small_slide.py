"""Small Aperio slides, drawn in milliseconds: whole, truncated, or without µm per pixel."""

from pathlib import Path

import numpy as np
import tifffile

MPP = 0.5


def draw_slide(path: Path, side_px: int = 2048, mpp: float | None = MPP, seed: int = 0) -> Path:
    """Path of a slide that OpenSlide opens as `aperio`, stained except for a margin of glass."""
    rng = np.random.default_rng(seed)
    pixels = np.full((side_px, side_px, 3), 245, np.uint8)
    inner = slice(side_px // 16, -side_px // 16)
    stain = np.array([205, 150, 190]) + rng.integers(-25, 25, pixels[inner, inner].shape)
    pixels[inner, inner] = stain
    metadata = "" if mpp is None else f"|AppMag = 20|MPP = {mpp}"
    description = (
        f"Aperio Image Library v12\r\n{side_px}x{side_px} [0,0 {side_px}x{side_px}]{metadata}"
    )
    with tifffile.TiffWriter(path) as tiff:
        for level, step in enumerate((1, 4)):
            tiff.write(
                pixels[::step, ::step],
                tile=(256, 256),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 80},
                description=description if level == 0 else f"Aperio level {level}{metadata}",
                metadata=None,
                subfiletype=0 if level == 0 else 1,
            )
    return path
