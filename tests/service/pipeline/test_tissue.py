"""The mask loses no cell, however pale, and leaves empty glass unread."""

import numpy as np
import pytest

from service.pipeline.slide import open_slide
from service.pipeline.tissue import find_tissue
from tests.service.pipeline.conftest import MakeSlide


def pale_disc(colour: tuple[int, int, int], radius: int = 40) -> np.ndarray:
    pixels = np.full((1200, 1600, 3), (246, 247, 248), np.uint8)
    noise = np.random.default_rng(0).normal(0, 2, pixels.shape)
    y, x = np.mgrid[:1200, :1600]
    pixels[(x - 400) ** 2 + (y - 300) ** 2 < radius**2] = colour
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "colour", [(228, 238, 240), (242, 232, 235), (200, 220, 225), (60, 50, 99)]
)
def test_a_pale_cell_is_found_and_glass_is_not(
    make_slide: MakeSlide, colour: tuple[int, int, int]
) -> None:
    with open_slide(make_slide(pale_disc(colour))) as slide:
        mask = find_tissue(slide)
    assert mask.touches((370.0, 270.0, 430.0, 330.0))
    assert not mask.touches((1000.0, 700.0, 1500.0, 1100.0))


def test_a_cell_comes_with_what_surrounds_it(make_slide: MakeSlide) -> None:
    with open_slide(make_slide(pale_disc((180, 200, 210)))) as slide:
        mask = find_tissue(slide)
    # 30 µm beyond the cell's edge at 0.5 µm/px
    assert mask.touches((495.0, 295.0, 500.0, 305.0))


def test_a_slide_without_background_is_read_whole(make_slide: MakeSlide) -> None:
    pixels = np.random.default_rng(1).integers(60, 160, (800, 800, 3), dtype=np.uint8)
    with open_slide(make_slide(pixels)) as slide:
        mask = find_tissue(slide)
    assert mask.pixels.all()


def test_uneven_light_is_no_tissue(make_slide: MakeSlide) -> None:
    pixels = np.full((800, 1600, 3), 245, np.uint8)
    pixels = (pixels * np.linspace(0.985, 1.0, 1600)[None, :, None]).astype(np.uint8)
    with open_slide(make_slide(pixels)) as slide:
        assert not find_tissue(slide).pixels.any()
