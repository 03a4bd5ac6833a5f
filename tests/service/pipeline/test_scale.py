"""Whatever µm/px a slide and a detector have, tiles are at its scale and cells in their places."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.pipeline.batches import read_square
from service.pipeline.geometry import MIN_ROUNDED_PX, lattice_cell_level0
from service.pipeline.slide import Slide, open_slide
from service.pipeline.tiles import plan_tiles
from service.pipeline.tissue import TissueMask
from service.pipeline.types import InputSpec, SlideInfo
from tests.service.pipeline.pyramids import Pixels, shrink, write_pyramid

WIDTH, HEIGHT, PITCH = 1152, 960, 96
RADIUS = 14
LEVELS = [(), (2,), (4,), (3, 6), (2, 4, 8)]
mpps = st.floats(0.1, 2.5)


def dotted() -> Pixels:
    """Dark discs on white, their centres at whole multiples of `PITCH` and half of it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    distance = np.hypot(x % PITCH - PITCH / 2, y % PITCH - PITCH / 2)
    grey = np.clip((distance - RADIUS) * 100 + 128, 20, 255)
    return np.repeat(grey[..., None].astype(np.uint8), 3, axis=2)


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Slide]]:
    folder, pixels = tmp_path_factory.mktemp("dots"), dotted()
    paths = [folder / f"{number}.tif" for number in range(len(LEVELS))]
    for path, steps in zip(paths, LEVELS, strict=True):
        write_pyramid(path, [pixels, *(shrink(pixels, step) for step in steps)], mpp=0.5)
    opened = [open_slide(path) for path in paths]
    yield opened
    for slide in opened:
        slide.__exit__(None, None, None)


def test_all_levels_are_there(slides: list[Slide]) -> None:
    for slide, steps in zip(slides, LEVELS, strict=True):
        assert slide.info.level_downsamples == (1.0, *map(float, steps))


@given(mpps, mpps, st.sampled_from([128, 512, 1024]))
@settings(deadline=None, max_examples=300)
def test_the_scale_is_off_by_one_part_in_64_at_most(
    slide_mpp: float, detector_mpp: float, tile_size_px: int
) -> None:
    info = SlideInfo("x", 500, 400, (1.0,), slide_mpp, "slide", None, (255, 255, 255))
    mask = TissueMask(np.ones((1, 1), np.bool_), 1e4)
    plan = plan_tiles(info, mask, InputSpec(detector_mpp, tile_size_px, 32))
    assert plan.downsample * slide_mpp == pytest.approx(detector_mpp, rel=1 / 64)
    tile = plan.tiles[0]
    assert tile.size == pytest.approx(tile_size_px * plan.downsample)


@given(mpps, mpps)
def test_the_lattice_is_whole_where_that_costs_little_and_exact_elsewhere(
    slide_mpp: float, detector_mpp: float
) -> None:
    cell = lattice_cell_level0(32, detector_mpp, slide_mpp)
    exact = 32 * detector_mpp / slide_mpp
    if cell >= MIN_ROUNDED_PX:
        assert cell == pytest.approx(exact, abs=0.5)
    if not cell.is_integer():
        assert cell == exact


@given(
    st.integers(0, len(LEVELS) - 1),
    st.floats(0.3, 9.0),
    st.tuples(st.floats(-40, 600), st.floats(-40, 500)),
)
@settings(deadline=None, max_examples=80)
def test_a_square_shows_every_dot_within_a_pixel_of_its_place(
    slides: list[Slide], number: int, downsample: float, corner_xy: tuple[float, float]
) -> None:
    slide = slides[number]
    level = plan_level(slide, downsample)
    side = 256
    pixels = read_square(slide, corner_xy, level, downsample, side)
    assert pixels.shape == (side, side, 3)
    dark = 255 - pixels[..., 0].astype(np.float64)
    row, column = np.mgrid[:side, :side] + 0.5
    for expected_xy in dot_places(corner_xy, downsample, side):
        reach = (RADIUS + 12) / downsample + 1
        near = (np.abs(column - expected_xy[0]) < reach) & (np.abs(row - expected_xy[1]) < reach)
        weight = dark * near
        place = np.array([(weight * column).sum(), (weight * row).sum()]) / weight.sum()
        assert np.abs(place - expected_xy).max() < 1


def plan_level(slide: Slide, downsample: float) -> int:
    mask = TissueMask(np.ones((1, 1), np.bool_), 1e4)
    spec = InputSpec(downsample * slide.info.mpp, 256, 32)
    return plan_tiles(slide.info, mask, spec).level


def dot_places(
    corner_xy: tuple[float, float], downsample: float, side: int
) -> list[tuple[float, float]]:
    """Centres of the dots that lie whole in a square, px of the square."""
    places = []
    for y in np.arange(PITCH / 2, HEIGHT, PITCH):
        for x in np.arange(PITCH / 2, WIDTH, PITCH):
            at = ((x - corner_xy[0]) / downsample, (y - corner_xy[1]) / downsample)
            reach = (RADIUS + 14) / downsample + 2
            if all(reach < value < side - reach for value in at):
                places.append(at)
    return places


def test_a_coarse_slide_gives_the_same_pixels_to_every_plan(tmp_path: Path) -> None:
    # At 0.6 µm/px a detector of 0.25 reads between pixels; a place must not depend on the tile.
    pixels = dotted()
    with open_slide(write_pyramid(tmp_path / "a.tif", [pixels], mpp=0.6)) as slide:
        mask = TissueMask(np.ones((1, 1), np.bool_), 1e4)
        plans = [plan_tiles(slide.info, mask, InputSpec(0.25, size, 64)) for size in (256, 512)]
        shown: dict[tuple[int, int], int] = {}
        for plan in plans:
            for tile in plan.tiles[:6]:
                size = plan.spec.tile_size_px
                square = read_square(slide, (tile.x, tile.y), plan.level, plan.downsample, size)
                left, top = round(tile.x / plan.downsample), round(tile.y / plan.downsample)
                for y in range(4, size, 60):
                    for x in range(4, size, 60):
                        place = (left + x, top + y)
                        value = int(square[y, x, 0])
                        assert abs(shown.setdefault(place, value) - value) <= 2
        assert len(shown) > 100
