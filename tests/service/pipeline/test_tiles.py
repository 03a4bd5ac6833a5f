"""Tiles: every place has one owner, and every cell is whole in its owner's tile."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.pipeline.tiles import TilePlan, plan_tiles
from service.pipeline.tissue import TissueMask
from service.pipeline.types import InputSpec, SlideInfo

sizes = st.tuples(st.integers(300, 5000), st.integers(300, 5000))
specs = st.builds(
    lambda mpp, tile, share: InputSpec(mpp, tile, int(tile * share)),
    st.floats(0.2, 1.5),
    st.sampled_from([128, 256, 512]),
    st.floats(0.05, 0.5),
)


def info(width: int, height: int, mpp: float = 0.25) -> SlideInfo:
    return SlideInfo("x", width, height, (1.0, 4.0, 16.0), mpp, "slide", None, (255, 255, 255))


def plan(size: tuple[int, int], spec: InputSpec, tissue: bool = True) -> TilePlan:
    mask = TissueMask(np.full((size[1] // 32 + 1, size[0] // 32 + 1), tissue), 32.0)
    return plan_tiles(info(*size), mask, spec)


@given(sizes, specs, st.integers(0, 2**31))
@settings(deadline=None, max_examples=100)
def test_every_point_has_exactly_one_owner(
    size: tuple[int, int], spec: InputSpec, seed: int
) -> None:
    cores = np.array([tile.core_xyxy for tile in plan(size, spec).tiles])
    for x, y in np.random.default_rng(seed).uniform((0, 0), size, (40, 2)):
        inside = (cores[:, 0] <= x) & (x < cores[:, 2]) & (cores[:, 1] <= y) & (y < cores[:, 3])
        assert inside.sum() == 1


@given(sizes, specs, st.integers(0, 2**31))
@settings(deadline=None, max_examples=100)
def test_a_cell_no_larger_than_the_overlap_is_whole_in_its_owner(
    size: tuple[int, int], spec: InputSpec, seed: int
) -> None:
    planned = plan(size, spec)
    half = (spec.overlap_px * planned.downsample) / 2 - 1
    for x, y in np.random.default_rng(seed).uniform((0, 0), size, (20, 2)):
        owner = next(
            tile
            for tile in planned.tiles
            if tile.core_xyxy[0] <= x < tile.core_xyxy[2]
            and tile.core_xyxy[1] <= y < tile.core_xyxy[3]
        )
        assert owner.x <= x - half
        assert x + half <= owner.x + owner.size
        assert owner.y <= y - half
        assert y + half <= owner.y + owner.size


def test_only_tiles_on_tissue_are_planned() -> None:
    assert plan((3000, 3000), InputSpec(0.5, 256, 64), tissue=False).tiles == ()
    pixels = np.zeros((94, 94), bool)
    pixels[40, 50] = True
    planned = plan_tiles(info(3000, 3000), TissueMask(pixels, 32.0), InputSpec(0.5, 256, 64))
    x1, y1, x2, y2 = planned.tiles[0].core_xyxy
    assert x1 <= 50 * 32 + 31
    assert x2 > 50 * 32
    assert y1 <= 40 * 32 + 31
    assert y2 > 40 * 32
    assert len(planned.tiles) <= 4


def test_the_level_read_is_the_coarsest_that_is_fine_enough() -> None:
    assert plan((3000, 3000), InputSpec(0.49, 512, 96)).level == 0
    assert plan((3000, 3000), InputSpec(1.0, 512, 96)).level == 1
    assert plan((3000, 3000), InputSpec(3.9, 512, 96)).level == 1


def test_plans_are_the_same_each_time() -> None:
    assert plan((2000, 1500), InputSpec(0.5, 256, 64)) == plan(
        (2000, 1500), InputSpec(0.5, 256, 64)
    )


@given(sizes, specs, specs)
@settings(deadline=None, max_examples=60)
def test_corners_of_every_plan_at_one_scale_lie_on_one_lattice(
    size: tuple[int, int], first: InputSpec, second: InputSpec
) -> None:
    same_scale = InputSpec(first.mpp, second.tile_size_px, second.overlap_px)
    plans = [plan(size, first), plan(size, same_scale)]
    assert plans[0].downsample == plans[1].downsample
    lattice = plans[0].downsample * 32
    for planned in plans:
        corners = np.array([(tile.x, tile.y) for tile in planned.tiles]) / lattice
        np.testing.assert_allclose(corners, np.rint(corners), atol=1e-9)
