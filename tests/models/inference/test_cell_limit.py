"""The limit on cells is far above any field, and the same per area for every tile."""

import pytest

from models.inference.cell_limit import MAX_CELLS_PER_MM2, limit_cells


def test_the_densest_field_known_is_far_below_the_limit() -> None:
    # CRIC's most crowded field: 93 cells on 1178 x 960 px of 0.247 µm.
    assert limit_cells(1178, 960, 0.247) > 10 * 93


@pytest.mark.parametrize("mpp", [0.25, 0.33, 0.5, 1.0])
def test_a_tile_of_twice_the_side_may_hold_four_times_as_many(mpp: float) -> None:
    small, large = limit_cells(512, 512, mpp), limit_cells(1024, 1024, mpp)
    assert large == pytest.approx(4 * small, abs=4)
    assert small == pytest.approx(MAX_CELLS_PER_MM2 * (512 * mpp / 1000) ** 2, abs=1)
