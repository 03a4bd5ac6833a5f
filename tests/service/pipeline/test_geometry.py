"""Conversions between µm, levels and level-0 pixels."""

import pytest

from service.pipeline.geometry import area_mm2, best_level, lattice_level0, um_to_level0


@pytest.mark.parametrize(
    ("downsample", "level"),
    [(0.5, 0), (1.0, 0), (1.96, 0), (3.99, 1), (4.0, 1), (15.9, 2), (64, 2)],
)
def test_the_level_is_never_coarser_than_wanted_but_for_rounding(
    downsample: float, level: int
) -> None:
    assert best_level((1.0, 4.0, 16.0), downsample) == level


def test_lengths_and_areas() -> None:
    assert lattice_level0(32, 0.49, 0.245) == 64
    assert um_to_level0(10.0, 0.25) == 40.0
    assert area_mm2(4e6, 0.5) == 1.0
