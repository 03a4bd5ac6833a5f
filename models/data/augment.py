"""Augmentations of training crops: rotation, scale, stain, light, focus, noise.

Geometry is a single affine warp. A box moves with its centre and is scaled, but not rotated.
"""

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data.resample import Sample

#: Optical densities (red, green, blue) of the Papanicolaou counterstains and of haematoxylin,
#: unit length: light green, eosin Y / orange G, haematoxylin.
STAIN_DENSITY = np.array(
    [[0.83, 0.36, 0.42], [0.15, 0.80, 0.58], [0.65, 0.70, 0.29]], dtype=np.float32
)

#: Optical density of a channel's 256 values; a byte of 0 still lets 1/256 of the light through.
DENSITY_OF_BYTE = -np.log((np.arange(256, dtype=np.float32) + 1.0) / 256.0)
#: Length of the noise that crops take slices of: drawing it anew took a third of a crop's time.
NUM_NOISE = 1 << 21


@dataclass(frozen=True)
class Augmentation:
    """How far a sample may be changed; see `[augment]` of a configuration.

    Attributes:
        scale: (smallest, largest) factor on size.
        rotate_degrees: largest turn either way.
        brightness: largest change of optical density overall, as a fraction.
        contrast: largest change of contrast about the mean, as a fraction.
        stain: largest change of each stain's density, as a fraction.
        channel_shift: largest shift of each channel, as a fraction of 255.
        blur_sigma_px: largest Gaussian blur.
        noise_std: largest standard deviation of Gaussian noise, grey levels.
    """

    scale: tuple[float, float]
    rotate_degrees: float
    brightness: float
    contrast: float
    stain: float
    channel_shift: float
    blur_sigma_px: float
    noise_std: float


def crop_sample(
    sample: Sample, crop_px: int, augmentation: Augmentation, rng: np.random.Generator
) -> Sample:
    """A randomly rotated, scaled and mirrored square of a sample.

    Args:
        sample: at the detector's µm/px.
        crop_px: side of the square.
        augmentation: ranges of scale and rotation.
        rng: source of all randomness.

    Returns:
        (crop_px, crop_px, 3) pixels; cells whose centre lies inside, boxes not clipped.
    """
    height, width = sample.pixels.shape[:2]
    scale = float(np.exp(rng.uniform(*np.log(augmentation.scale))))
    angle = np.deg2rad(rng.uniform(-augmentation.rotate_degrees, augmentation.rotate_degrees))
    mirror = rng.choice([-1.0, 1.0])
    turn = scale * np.array(
        [[mirror * np.cos(angle), -np.sin(angle)], [mirror * np.sin(angle), np.cos(angle)]]
    )
    # The crop's centre stays so far inside that at most a corner shows what lies outside.
    margin = 0.4 * crop_px / scale
    centre = np.array([_pick_between(side, margin, rng) for side in (width, height)])
    shift = crop_px / 2 - turn @ centre
    fill = tuple(float(value) for value in rng.uniform(215, 250) + rng.uniform(-8, 8, 3))
    pixels = cv2.warpAffine(
        sample.pixels,
        np.hstack([turn, shift[:, None]]),
        (crop_px, crop_px),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill,
    )
    low, high = sample.bbox_xyxy[:, :2], sample.bbox_xyxy[:, 2:]
    moved = ((low + high) / 2) @ turn.T + shift
    half = (high - low) / 2 * scale
    inside = ((moved >= 0) & (moved < crop_px)).all(axis=1)
    bbox = np.hstack([moved - half, moved + half])[inside].astype(np.float32)
    return Sample(np.asarray(pixels, np.uint8), bbox, sample.label[inside])


def change_look(
    pixels: NDArray[np.uint8], augmentation: Augmentation, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The crop with random changes of stain, light, focus and noise, (H, W, 3) uint8."""
    density = cv2.LUT(pixels, DENSITY_OF_BYTE)
    mix = rng.uniform(1 - augmentation.stain, 1 + augmentation.stain, 3).astype(np.float32)
    stains = STAIN_DENSITY / np.linalg.norm(STAIN_DENSITY, axis=1, keepdims=True)
    restain = np.linalg.inv(stains) @ np.diag(mix) @ stains
    density = density @ restain.astype(np.float32)
    density *= rng.uniform(1 - augmentation.brightness, 1 + augmentation.brightness)
    light = 256.0 * np.exp(-density) - 1.0
    light = (light - light.mean()) * rng.uniform(
        1 - augmentation.contrast, 1 + augmentation.contrast
    ) + light.mean()
    light += 255.0 * rng.uniform(-augmentation.channel_shift, augmentation.channel_shift, 3).astype(
        np.float32
    )
    sigma = rng.uniform(0, augmentation.blur_sigma_px)
    if rng.random() < 0.5 and sigma > 0.2:
        light = cv2.GaussianBlur(light, (0, 0), sigma)
    if rng.random() < 0.5 and augmentation.noise_std > 0:
        light += np.float32(rng.uniform(0, augmentation.noise_std)) * _draw_noise(light.shape, rng)
    return np.asarray(np.clip(light, 0, 255), np.uint8)


@cache
def _noise() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(NUM_NOISE, dtype=np.float32)


def _draw_noise(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Normal noise of unit variance: a slice of a long sequence from a random start."""
    size = math.prod(shape)
    if size >= NUM_NOISE:
        return rng.standard_normal(shape, dtype=np.float32)
    start = int(rng.integers(NUM_NOISE - size))
    return _noise()[start : start + size].reshape(shape)


def _pick_between(side: float, margin: float, rng: np.random.Generator) -> float:
    margin = min(margin, side / 2)
    return float(rng.uniform(margin, side - margin)) if side > 2 * margin else side / 2
