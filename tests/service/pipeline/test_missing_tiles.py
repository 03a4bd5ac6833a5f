"""Averages count only what the file holds; see also `test_untrusted_levels`."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.missing_tiles import next_finer_level, read_filled, shrink_rgba
from service.pipeline.slide import open_slide
from tests.service.pipeline.conftest import spotted
from tests.service.pipeline.pyramids import shrink, write_pyramid

RED = (200, 10, 10)


@given(st.integers(1, 7))
def test_what_is_missing_does_not_tint_what_is_there(num_columns: int) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, :num_columns] = (*RED, 255)
    pixels, held = shrink_rgba(rgba, (1, 1), (255, 255, 255))
    assert held[0, 0] == (num_columns >= 4)
    colour = RED if held[0, 0] else (255, 255, 255)
    assert np.abs(pixels[0, 0].astype(int) - colour).max() <= 2


def test_a_whole_picture_is_averaged_as_ever() -> None:
    rgb = spotted(400, 320)
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    pixels, held = shrink_rgba(rgba, (100, 80), (255, 255, 255))
    assert (pixels == shrink(rgb, 4)).all()
    assert held.all()


def test_the_next_finer_level_is_the_coarsest_that_is_finer() -> None:
    assert next_finer_level((1.0, 4.0, 16.0), 2) == 1
    assert next_finer_level((1.0, 4.0, 16.0), 1) == 0


def test_a_hole_is_filled_through_levels_that_lack_it_too(tmp_path: Path) -> None:
    pixels = spotted(2000, 1500)
    levels = [pixels, shrink(pixels, 2), shrink(pixels, 4)]
    missing = {1: {(2, 2), (2, 3)}, 2: {(1, 1)}}
    with open_slide(write_pyramid(tmp_path / "a.tif", levels, missing)) as slide:
        assert slide.info.level_downsamples == (1.0, 2.0, 4.0)
        rgba = read_filled(slide, 800, 800, 2, 250, 150)
    assert (rgba[..., 3] == 255).all()
    difference = rgba[..., :3].astype(int) - levels[2][200:350, 200:450]
    assert np.abs(difference).max() <= 3
