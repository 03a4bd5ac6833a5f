"""Level 0 is asked about what a low level shows as glass, where its tiles are heaviest."""

from pathlib import Path

import numpy as np
import pytest

from service.pipeline.glass_check import check_glass
from service.pipeline.slide import open_slide
from service.pipeline.stain import find_background
from service.pipeline.tissue import find_tissue
from tests.service.pipeline.conftest import spotted
from tests.service.pipeline.pyramids import displace_tile, shrink, write_pyramid

GLASS = 240


def glass_with_cells(*places: tuple[int, int]) -> np.ndarray:
    tile = np.random.default_rng(0).integers(GLASS - 3, GLASS + 4, (256, 256, 3), dtype=np.uint8)
    pixels = np.tile(tile, (8, 12, 1))
    for x, y in places:
        pixels[y : y + 100, x : x + 100] = (120, 60, 120)
    return pixels


def test_a_cell_that_a_low_level_lacks_is_seen_at_level_0(tmp_path: Path) -> None:
    pixels = glass_with_cells((2350, 1575))
    low = shrink(glass_with_cells(), 16)
    path = write_pyramid(tmp_path / "a.tif", [pixels, low])
    with open_slide(path) as slide:
        mask = find_tissue(slide)
    assert mask.touches((2350, 1575, 2450, 1675))
    assert mask.pixels.mean() < 0.2


def test_places_with_stain_and_damaged_ones_are_told_apart(tmp_path: Path) -> None:
    pixels = glass_with_cells((2350, 1575))
    path = write_pyramid(tmp_path / "a.tif", [pixels, shrink(pixels, 16)])
    displace_tile(path, 0, 3 * 12 + 2)
    with open_slide(path) as slide:
        overview = slide.read_overview(32.0)
        background = find_background(overview)
        assert background is not None
        nothing = np.zeros(overview.damaged.shape, np.bool_)
        check = check_glass(slide, background, nothing, overview.downsample)
        assert len(check.stained) == 1
        everything = ~nothing
        assert check_glass(slide, background, everything, overview.downsample).stained == ()


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_level_that_lacks_tissue_in_many_places_is_left_out(
    tmp_path: Path, compression: str | None
) -> None:
    cells = [(150 + 350 * step, 900 + 130 * step) for step in range(8)]
    pixels = glass_with_cells(*cells)
    pixels[:800, 1500:2500] = spotted(1000, 800)
    low = shrink(glass_with_cells(), 16)
    low[:50, 93:157] = shrink(pixels, 16)[:50, 93:157]
    path = write_pyramid(tmp_path / "a.tif", [pixels, low], compression=compression)
    with open_slide(path) as slide:
        mask = find_tissue(slide)
        assert slide.info.level_downsamples == (1.0,)
        assert len(slide.info.left_out_levels) == 1
    for x, y in cells:
        assert mask.touches((x, y, x + 100, y + 100))
