"""Drawn histology fields: sections of tissue, stained with haematoxylin and eosin.

As negative examples in training they teach a detector not to report nuclei of tissue sections, so
that a histology slide sent by mistake is not reported as carcinoma.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.phantom.shapes import FloatImage, draw_outline, grain

#: Optical densities (red, green, blue) at full strength.
HAEMATOXYLIN = np.array([0.55, 0.62, 0.32], np.float32)
EOSIN = np.array([0.07, 0.50, 0.27], np.float32)
PATCH_PX = 48


def draw_histology(seed: int, width: int, height: int, mpp: float) -> NDArray[np.uint8]:
    """A drawn section of tissue, (height, width, 3) uint8 RGB, `mpp` µm/px.

    Epithelium with crowded oval nuclei, stroma of fibres with spindle-shaped and round dark ones,
    and glass.
    """
    rng = np.random.default_rng([seed, 17])
    side = max(width, height)
    field = grain(side, 90 / mpp, rng)
    epithelium = _soft_step(field - rng.uniform(-0.6, 0.8), mpp)
    tissue = _soft_step(grain(side, 140 / mpp, rng) + rng.uniform(0.0, 1.6), mpp)
    stroma = 0.35 + 0.4 * np.clip(_fibres(side, mpp, rng), -0.8, 1.8)
    sheet = 0.55 + 0.12 * grain(side, 2 / mpp, rng) + 0.1 * grain(side, 12 / mpp, rng)
    blueness = rng.uniform(0.15, 0.45) * epithelium + 0.05
    amount = np.clip(stroma * (1 - epithelium) + sheet * epithelium, 0, 2)
    density = amount[..., None] * (EOSIN + blueness[..., None] * HAEMATOXYLIN)
    density = density * np.float32(rng.uniform(0.7, 1.3))
    density += _nuclei(side, epithelium, mpp, rng)[..., None] * HAEMATOXYLIN
    density *= tissue[..., None]
    light = rng.uniform(238, 252) * np.exp(-density * np.float32(np.log(10)))
    blurred = cv2.GaussianBlur(light.astype(np.float32), (0, 0), rng.uniform(0.3, 0.9))
    noisy = blurred + rng.normal(0, 2, light.shape)
    return np.asarray(np.clip(noisy[:height, :width], 0, 255), np.uint8)


def _soft_step(field: FloatImage, mpp: float) -> FloatImage:
    """1 where the field is positive, 0 elsewhere, over an edge of a few µm."""
    hard = (field > 0).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(hard, (0, 0), 2 / mpp), np.float32)


def _fibres(side: int, mpp: float, rng: np.random.Generator) -> FloatImage:
    """Wavy strands along one direction, about zero mean and unit variance, (side, side)."""
    long, thin = max(2, int(side * mpp / 60)), max(2, int(side * mpp / 3))
    coarse = rng.standard_normal((thin, long)).astype(np.float32)
    wide = cv2.resize(coarse, (2 * side, 2 * side), interpolation=cv2.INTER_CUBIC)
    waves = 12 / mpp * grain(2 * side, 60 / mpp, rng)
    rows, columns = np.mgrid[: 2 * side, : 2 * side].astype(np.float32)
    wavy = cv2.remap(wide, columns, rows + waves, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    turn = cv2.getRotationMatrix2D((side, side), float(rng.uniform(0, 180)), 1.0)
    turned = cv2.warpAffine(wavy, turn, (2 * side, 2 * side))
    return np.asarray(turned[side // 2 :, side // 2 :][:side, :side], np.float32)


def _nuclei(side: int, epithelium: FloatImage, mpp: float, rng: np.random.Generator) -> FloatImage:
    """Strength of haematoxylin of all nuclei, (side, side)."""
    strength = np.zeros((side + PATCH_PX, side + PATCH_PX), np.float32)
    spacing_px = rng.uniform(8.5, 13.0) / mpp
    steps = np.arange(spacing_px / 2, side, spacing_px)
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    places += rng.normal(0, spacing_px * 0.22, places.shape)
    sparse = rng.uniform(0.15, 0.5)
    vesicular = rng.uniform(0.45, 0.9)
    for x, y in np.clip(places, 0, side - 1):
        inside = epithelium[int(y), int(x)] > 0.5
        if not inside and rng.random() > sparse:
            continue
        if inside:
            area_um2, elongation = rng.uniform(28, 62), rng.uniform(1.0, 1.7)
            dark = vesicular * rng.uniform(0.8, 1.25)
        else:
            area_um2, elongation = rng.uniform(12, 30), rng.choice([1.1, 2.5, 4.0])
            dark = rng.uniform(0.9, 1.5)
        radius_px = float(np.sqrt(area_um2 / np.pi) / mpp)
        centre = (PATCH_PX / 2 + x % 1, PATCH_PX / 2 + y % 1)
        nucleus = draw_outline(
            PATCH_PX, centre, radius_px, rng, roughness=0.08, elongation=float(elongation)
        )
        nucleus = nucleus * (1 + 0.2 * grain(PATCH_PX, 1 / mpp, rng)) * np.float32(dark)
        place = np.s_[int(y) : int(y) + PATCH_PX, int(x) : int(x) + PATCH_PX]
        strength[place] = np.maximum(strength[place], nucleus)
    half = PATCH_PX // 2
    return strength[half : half + side, half : half + side]
