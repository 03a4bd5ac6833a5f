"""A slide fits on glass and into its file, or is refused."""

from pathlib import Path

import numpy as np
import pytest

from service.errors import DimensionsImplausibleError
from service.pipeline.dimensions import MIN_BYTES_PER_PX, check_dimensions
from service.pipeline.slide import check_slide
from tests.service.pipeline.conftest import MakeSlide
from tests.service.pipeline.container.tiff_files import write_tiff

GIGABYTE = 10**9


@pytest.mark.parametrize("turned", [False, True])
def test_what_is_larger_than_glass_is_refused_with_its_size(turned: bool) -> None:
    width, height = (80_000, 60_000) if turned else (60_000, 80_000)
    check_dimensions(width, height, 0.25, GIGABYTE)
    with pytest.raises(DimensionsImplausibleError, match=r"150\.0|200\.0.*26 x 76 mm.*mpp="):
        check_dimensions(width, height, 2.5, GIGABYTE)


def test_the_whole_glass_may_be_scanned() -> None:
    check_dimensions(round(76_000 / 0.22), round(26_000 / 0.22), 0.22, 4 * GIGABYTE)
    check_dimensions(round(26_000 / 0.22), round(76_000 / 0.22), 0.22, 4 * GIGABYTE)


def test_more_pixels_than_bytes_can_hold_are_refused() -> None:
    with pytest.raises(DimensionsImplausibleError, match=r"100000x90000 px.*2000 bytes"):
        check_dimensions(100_000, 90_000, 0.25, 2000)
    check_dimensions(100_000, 90_000, 0.25, int(9e9 * MIN_BYTES_PER_PX))


def test_a_slide_whose_pixels_lie_elsewhere_is_judged_by_glass_alone() -> None:
    check_dimensions(100_000, 90_000, 0.25, None)


def test_a_slide_of_blank_glass_is_read(make_slide: MakeSlide) -> None:
    """It compresses best of all."""
    glass = np.full((2048, 2048, 3), 245, np.uint8)
    assert check_slide(make_slide(glass)).width == 2048


def test_a_slide_wider_than_glass_is_refused_at_intake(tmp_path: Path) -> None:
    strip = np.zeros((128, 50_048, 3), np.uint8)
    path = write_tiff(tmp_path / "strip.tif", [strip], mpp_xy=(1.8, 1.8), compression="deflate")
    with pytest.raises(DimensionsImplausibleError, match=r"90\.1 x 0\.2 mm"):
        check_slide(path)
    assert check_slide(path, 0.25).width == 50_048
