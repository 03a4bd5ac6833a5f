"""Small TIFF slides in any encoding, written by tifffile."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

MPP = 0.25
#: Of the description by which OpenSlide knows an Aperio slide.
APERIO = "Aperio Image Library v0\r\n1x1|MPP = 0.25|AppMag = 40"


def shaded(width: int = 384, height: int = 256) -> NDArray[np.uint8]:
    """A picture without noise or edges, other in each place and channel, (height, width, 3)."""
    y, x = np.mgrid[:height, :width]
    planes = (x * 200 / width + 30, y * 200 / height + 30, (x + y) * 200 / (width + height) + 30)
    return np.stack(planes, -1).astype(np.uint8)


def write_tiff(
    path: Path,
    pages: list[NDArray[Any]] | None = None,
    mpp_xy: tuple[float, float] | None = (MPP, MPP),
    byteorder: Any = "<",
    bigtiff: bool = False,
    **options: Any,
) -> Path:
    """A tiled TIFF, each picture a page; those after the first are of reduced resolution.

    Args:
        path: to write.
        pages: (H, W, ...) each; one of `shaded` by default.
        mpp_xy: µm per px that its tags state, in x and y; None for no statement.
        byteorder, bigtiff: of the file.
        options: of `tifffile.TiffWriter.write`, e.g. `compression`.
    """
    stated: dict[str, Any] = {}
    if mpp_xy is not None:
        stated = {"resolution": tuple(1e4 / mpp for mpp in mpp_xy), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path, byteorder=byteorder, bigtiff=bigtiff) as tiff:
        for number, page in enumerate([shaded()] if pages is None else pages):
            layout = {"photometric": "rgb", "tile": (128, 128), "metadata": None}
            layout["subfiletype"] = 1 if number else 0
            tiff.write(page, **(layout | stated | options))
    return path
