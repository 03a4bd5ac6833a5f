"""Refuses slides that are larger than glass, or of more pixels than their bytes can hold.

Owns these limits; µm/px by itself is `mpp.py`'s.
"""

from service.errors import DimensionsImplausibleError
from service.pipeline.geometry import level0_to_mm

#: Microscope slides measure 26 x 76 mm (ISO 8037-1), and scanners see little beyond the glass.
MAX_LONG_SIDE_MM, MAX_SHORT_SIDE_MM = 85.0, 30.0
#: Blank glass takes some 0.006 bytes a px as JPEG, 0.003 as Deflate, 0.001 as JPEG 2000; a scan of
#: which a tenth is stored at all still lies above this.
MIN_BYTES_PER_PX = 1e-4


def check_dimensions(width: int, height: int, mpp: float, size_bytes: int | None) -> None:
    """Passes what fits on a glass slide and into the file.

    Args:
        width, height: level-0 px.
        mpp: µm per level-0 px.
        size_bytes: of the file; None where the pixels lie in others.

    Raises:
        DimensionsImplausibleError: it does not.
    """
    if size_bytes is not None and size_bytes < MIN_BYTES_PER_PX * width * height:
        raise DimensionsImplausibleError(
            f"the slide states {width}x{height} px, but its file has only {size_bytes} bytes: it "
            "is damaged or not complete, export it again"
        )
    width_mm, height_mm = level0_to_mm(width, mpp), level0_to_mm(height, mpp)
    long_mm, short_mm = max(width_mm, height_mm), min(width_mm, height_mm)
    if long_mm > MAX_LONG_SIDE_MM or short_mm > MAX_SHORT_SIDE_MM:
        raise DimensionsImplausibleError(
            f"the slide's {width}x{height} px at {mpp:g} µm per pixel are {width_mm:.1f} x "
            f"{height_mm:.1f} mm, but a glass slide is 26 x 76 mm: the µm per pixel is wrong, give "
            "the right one as mpp="
        )
