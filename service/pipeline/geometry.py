"""All conversions between µm, level pixels and level-0 pixels.

Level-0 pixels have their origin top left of the slide; a downsample is level-0 px per other px.
"""

from collections.abc import Sequence

#: A length of so many level-0 px or more may be rounded to whole ones: by at most 1 part in 64.
MIN_ROUNDED_PX = 32


def lattice_level0(lattice_px: int, tile_mpp: float, slide_mpp: float) -> int:
    """So many tile px in level-0 px, rounded to whole ones, at least 1."""
    return max(1, round(lattice_px * tile_mpp / slide_mpp))


def lattice_cell_level0(lattice_px: int, tile_mpp: float, slide_mpp: float) -> float:
    """So many tile px in level-0 px, off by at most 1 part in 64.

    Whole where rounding allows that, so that most slides are read without resampling between
    pixels; exact where the slide is too coarse for it.
    """
    exact = lattice_px * tile_mpp / slide_mpp
    whole = round(exact)
    return float(whole) if whole >= MIN_ROUNDED_PX else exact


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
    fine_enough = [
        level
        for level, level_downsample in enumerate(level_downsamples)
        if level_downsample <= max(downsample, 1.0) * 1.01
    ]
    return max(fine_enough, key=lambda level: level_downsamples[level], default=0)


def area_mm2(num_px: float, mpp: float) -> float:
    """An area of so many pixels of side `mpp` µm, in mm²."""
    return num_px * mpp * mpp / 1e6
