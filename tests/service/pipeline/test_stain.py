"""Bands give the very background and stain that the whole picture would."""

import cv2
import numpy as np
import pytest

from service.pipeline import stain
from service.pipeline.overview import Overview
from service.pipeline.stain import find_background, find_stained


def overview(pixels: np.ndarray, held: np.ndarray | None = None) -> Overview:
    nothing = np.zeros(pixels.shape[:2], np.bool_)
    return Overview(pixels, nothing, ~nothing if held is None else held, 32.0, 0)


def glass(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.5, (90, 110, 3))
    pixels = np.clip(noise + np.array([242, 240, 245]), 0, 255).astype(np.uint8)
    pixels[20:40, 30:60] = (180, 120, 170)
    return pixels


@pytest.mark.parametrize("band_px", [1, 110 * 7, 10**6])
def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch, band_px: int) -> None:
    monkeypatch.setattr(stain, "BAND_PX", band_px)
    picture = overview(glass())
    lab = cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(int)
    chroma = np.linalg.norm(lab[:, 1:] - 128, axis=1)
    bright = lab[(lab[:, 0] >= 190) & (chroma <= 22)]
    mode = np.bincount(bright[:, 0]).argmax()
    expected = np.median(bright[np.abs(bright[:, 0] - mode) <= 2], axis=0)
    background = find_background(picture)
    assert background is not None
    assert background.tolist() == expected.tolist()
    stained = find_stained(picture, background)
    assert stained[20:40, 30:60].all()
    assert stained.sum() < 20 * 30 + 40


def test_what_is_not_in_the_file_is_neither_glass_nor_stain() -> None:
    pixels = glass()
    pixels[:, 60:] = (90, 60, 90)
    held = np.ones(pixels.shape[:2], np.bool_)
    held[:, 60:] = False
    picture = overview(pixels, held)
    assert not find_stained(picture, find_background(picture))[:, 60:].any()


def test_without_any_glass_all_that_is_held_counts() -> None:
    pixels = np.full((50, 60, 3), (90, 60, 90), np.uint8)
    held = np.ones((50, 60), np.bool_)
    held[:, 40:] = False
    picture = overview(pixels, held)
    assert find_background(picture) is None
    assert (find_stained(picture, None) == held).all()
