"""An overview is the slide, small, whatever its levels; damage costs little more than itself."""

import cv2
import numpy as np

from service.pipeline.overview import DAMAGED_GREY
from service.pipeline.slide import open_slide
from tests.service.pipeline.conftest import MakeSlide, damage_tiles, spotted


def test_an_overview_is_the_slide_small_whatever_its_levels(make_slide: MakeSlide) -> None:
    pixels = spotted(3000, 2500)
    for levels in ((), (2, 8)):
        with open_slide(make_slide(pixels, levels=levels)) as slide:
            overview = slide.read_overview(10.0)
        assert overview.downsample == 10.0
        small = cv2.resize(pixels, (300, 250), interpolation=cv2.INTER_AREA)
        assert np.abs(overview.pixels.astype(int) - small).mean() < 4
        assert not overview.damaged.any()


def test_an_overview_loses_little_more_than_the_damage(make_slide: MakeSlide) -> None:
    path = make_slide(spotted(3000, 2500), levels=())
    damage_tiles(path, 100, 1)
    with open_slide(path) as slide:
        overview = slide.read_overview(10.0)
    y, x = 100 // 24 * 128 + 64, 100 % 24 * 128 + 64
    assert overview.damaged[y // 10, x // 10]
    assert overview.damaged.sum() * 100 <= 4 * 256**2
    assert (overview.pixels[overview.damaged] == DAMAGED_GREY).all()


def test_all_of_a_damaged_slide_is_damaged_whatever_its_sides(make_slide: MakeSlide) -> None:
    path = make_slide(spotted(705, 500), levels=())
    damage_tiles(path, 0, 6 * 4)
    with open_slide(path) as slide:
        assert slide.read_overview(1.0).damaged.all()
