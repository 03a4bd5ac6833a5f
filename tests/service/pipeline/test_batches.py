"""Tiles come in order and at the detector's scale; damage costs the damaged tiles alone."""

import threading

import numpy as np
import pytest

from service.pipeline.batches import ReadBatch, read_batches
from service.pipeline.slide import Slide, open_slide
from service.pipeline.tiles import TilePlan, plan_tiles
from service.pipeline.tissue import TissueMask
from service.pipeline.types import InputSpec
from tests.service.pipeline.conftest import MakeSlide, damage_tiles, spotted


def plan_all(slide: Slide, spec: InputSpec) -> TilePlan:
    return plan_tiles(slide.info, TissueMask(np.ones((40, 50), np.bool_), 32.0), spec)


def read_all(slide: Slide, plan: TilePlan, num_readers: int = 2) -> list[ReadBatch]:
    return list(read_batches(slide, plan, plan.tiles, 4, num_readers))


def test_tiles_come_in_order_in_batches_of_equal_size(make_slide: MakeSlide) -> None:
    with open_slide(make_slide()) as slide:
        plan = plan_all(slide, InputSpec(0.5, 256, 64))
        batches = read_all(slide, plan)
    assert np.concatenate([read.tile_index for read in batches]).tolist() == list(
        range(len(plan.tiles))
    )
    assert {len(read.tile_index) for read in batches[:-1]} == {4}
    for read in batches:
        assert read.batch.pixels.shape == (len(read.tile_index), 256, 256, 3)
        assert read.batch.pixels.dtype == np.uint8
        corners = [(plan.tiles[index].x, plan.tiles[index].y) for index in read.tile_index]
        assert read.batch.origin_xy.tolist() == [list(map(float, corner)) for corner in corners]


@pytest.mark.parametrize("mpp", [0.25, 0.5, 1.0, 2.0])
def test_a_tile_shows_its_place_at_the_detectors_scale(make_slide: MakeSlide, mpp: float) -> None:
    # A smooth picture, so that resampling hardly changes it: red grows with x, green with y.
    y, x = np.mgrid[:800, :1000]
    pixels = np.dstack([x * 0.2 + 20, y * 0.2 + 20, np.full_like(x, 90)]).astype(np.uint8)
    with open_slide(make_slide(pixels)) as slide:
        plan = plan_all(slide, InputSpec(mpp, 128, 32))
        batches = read_all(slide, plan)
    for read in batches:
        for (left, top), tile in zip(read.batch.origin_xy, read.batch.pixels, strict=True):
            row, column = np.mgrid[:128, :128] + 0.5
            at_x, at_y = left + column * plan.downsample, top + row * plan.downsample
            inside = (at_x > 10) & (at_x < 990) & (at_y > 10) & (at_y < 790)
            assert np.abs(tile[inside, 0] - (at_x[inside] * 0.2 + 20)).max(initial=0) < 5
            assert np.abs(tile[inside, 1] - (at_y[inside] * 0.2 + 20)).max(initial=0) < 5


@pytest.mark.parametrize("num_readers", [1, 4])
def test_damage_costs_the_damaged_tiles_alone_however_many_read(
    make_slide: MakeSlide, num_readers: int
) -> None:
    path = make_slide(spotted(2000, 1600))
    damage_tiles(path, 40, 2)  # x 1024 to 1280, y 256 to 384
    with open_slide(path) as slide:
        plan = plan_tiles(
            slide.info, TissueMask(np.ones((50, 63), np.bool_), 32.0), InputSpec(0.5, 128, 32)
        )
        expected = {
            tile.index
            for tile in plan.tiles
            if tile.x < 1280 and tile.x + tile.size > 1024
            if tile.y < 384 and tile.y + tile.size > 256
        }
        # A failed read spoils the handle for every reader, so this is a matter of luck if at all.
        for _ in range(5):
            lost = {
                index for read in read_all(slide, plan, num_readers) for index in read.unreadable
            }
            assert lost == expected


def test_readers_end_with_the_batches_also_when_these_are_left_early(
    make_slide: MakeSlide,
) -> None:
    with open_slide(make_slide()) as slide:
        plan = plan_all(slide, InputSpec(0.5, 128, 32))
        batches = read_batches(slide, plan, plan.tiles, 2, 4)
        next(iter(batches))
        batches.close()
        assert not [one for one in threading.enumerate() if one.name.startswith("tile-reader")]
