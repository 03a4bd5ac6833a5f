"""All conversions between µm, level pixels and level-0 pixels.

Level-0 pixels have their origin top left of the slide; a downsample is level-0 px per other px.
"""

from collections.abc import Sequence


def lattice_level0(lattice_px: int, tile_mpp: float, slide_mpp: float) -> int:
    """So many tile px in level-0 px, rounded to whole ones, at least 1."""
    return max(1, round(lattice_px * tile_mpp / slide_mpp))


def um_to_level0(length_um: float, slide_mpp: float) -> float:
    """A length in level-0 px."""
    return length_um / slide_mpp


def level0_to_mm(length_px: float, slide_mpp: float) -> float:
    """A length in mm."""
    return length_px * slide_mpp / 1000


def best_level(level_downsamples: Sequence[float], downsample: float) -> int:
    """The coarsest level that is still as fine as `downsample`, so that nothing is blown up.

    A level that is coarser by less than a percent counts as fine enough: scanners round.
    """
    fine = [
        level for level, own in enumerate(level_downsamples) if own <= max(downsample, 1.0) * 1.01
    ]
    return max(fine, key=lambda level: level_downsamples[level], default=0)


def area_mm2(num_px: float, mpp: float) -> float:
    """An area of so many pixels of side `mpp` µm, in mm²."""
    return num_px * mpp * mpp / 1e6
