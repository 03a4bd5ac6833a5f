"""Augmentation moves boxes with the cells they frame and keeps to its ranges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.augment import Augmentation, change_look, crop_sample
from models.data.resample import Sample

STILL = Augmentation(
    scale=(1.0, 1.0),
    rotate_degrees=0.0,
    brightness=0.0,
    contrast=0.0,
    stain=0.0,
    channel_shift=0.0,
    blur_sigma_px=0.0,
    noise_std=0.0,
)
LIVELY = Augmentation(
    scale=(0.8, 1.25),
    rotate_degrees=180.0,
    brightness=0.2,
    contrast=0.2,
    stain=0.3,
    channel_shift=0.05,
    blur_sigma_px=1.5,
    noise_std=5.0,
)


def dark_discs(centres: list[tuple[int, int]], radius: int = 9) -> Sample:
    """A bright field with a dark disc in the middle of every box."""
    pixels = np.full((300, 400, 3), 230, np.uint8)
    y, x = np.mgrid[:300, :400]
    boxes = []
    for cx, cy in centres:
        pixels[(x - cx) ** 2 + (y - cy) ** 2 <= radius**2] = 20
        boxes.append([cx - 20, cy - 20, cx + 20, cy + 20])
    return Sample(pixels, np.array(boxes, np.float32), np.arange(len(centres), dtype=np.int16))


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_boxes_stay_on_their_cells(seed: int) -> None:
    sample = dark_discs([(200, 150), (120, 90), (290, 210), (60, 240)])
    crop = crop_sample(sample, 192, LIVELY, np.random.default_rng(seed))
    for x1, y1, x2, y2 in crop.bbox_xyxy:
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        if 3 < x < 188 and 3 < y < 188:
            assert crop.pixels[round(float(y)), round(float(x))].max() < 60


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_boxes_scale_with_the_crop_and_stay_square(seed: int) -> None:
    sample = dark_discs([(200, 150), (120, 90)])
    crop = crop_sample(sample, 192, LIVELY, np.random.default_rng(seed))
    sides = crop.bbox_xyxy[:, 2:] - crop.bbox_xyxy[:, :2]
    assert (sides >= 40 * 0.8 - 1e-3).all()
    assert (sides <= 40 * 1.25 + 1e-3).all()
    np.testing.assert_allclose(sides[:, 0], sides[:, 1], rtol=1e-4)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_only_cells_whose_centre_is_inside_are_kept(seed: int) -> None:
    sample = dark_discs([(200, 150), (120, 90), (290, 210), (60, 240)])
    crop = crop_sample(sample, 128, LIVELY, np.random.default_rng(seed))
    centres = (crop.bbox_xyxy[:, :2] + crop.bbox_xyxy[:, 2:]) / 2
    assert ((centres >= 0) & (centres <= 128)).all()
    assert crop.pixels.shape == (128, 128, 3)
    assert len(crop.label) == len(crop.bbox_xyxy) <= 4


def test_a_still_look_changes_nothing() -> None:
    pixels = np.random.default_rng(0).integers(1, 255, (32, 32, 3), dtype=np.uint8)
    looked = change_look(pixels, STILL, np.random.default_rng(0))
    assert np.abs(looked.astype(int) - pixels).max() <= 1


@pytest.mark.parametrize("seed", range(5))
def test_same_seed_gives_the_same_look(seed: int) -> None:
    pixels = dark_discs([(200, 150)]).pixels
    first = change_look(pixels, LIVELY, np.random.default_rng(seed))
    assert (first == change_look(pixels, LIVELY, np.random.default_rng(seed))).all()
    assert (first != pixels).any()
