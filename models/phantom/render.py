"""Draws any region of a phantom; a pixel is the same in every region that contains it.

Optical densities of overlapping objects add up.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.phantom.layout import PhantomObject
from models.phantom.objects import REACH_UM, draw_object

#: Side of the square of noise that is repeated over the slide.
NOISE_SIDE_PX = 512
#: Margin drawn around a region, so that its blur is right at the edges.
BLUR_MARGIN_PX = 8
FOCUS_SIGMA_UM = 0.18
BUCKET_UM = 2 * REACH_UM


@dataclass(frozen=True)
class Scene:
    """The objects, light and noise of a slide, to be drawn region by region.

    Attributes:
        mpp: µm/px.
        light_rgb: colour of the empty background, 0-255.
        noise: (512, 512, 3) float32, grey levels.
        buckets: indices of objects by the bucket of their centre.
        objects: in drawing order.
    """

    mpp: float
    light_rgb: NDArray[np.float32]
    noise: NDArray[np.float32]
    buckets: dict[tuple[int, int], list[int]]
    objects: list[PhantomObject]


def make_scene(seed: int, objects: list[PhantomObject], mpp: float) -> Scene:
    """A scene of the objects, with light and noise from the seed."""
    rng = np.random.default_rng([seed, 0])
    light = (rng.uniform(238, 250) + rng.uniform(-5, 5, 3)).astype(np.float32)
    noise = rng.normal(0, 1.6, (NOISE_SIDE_PX, NOISE_SIDE_PX, 3)).astype(np.float32)
    buckets: dict[tuple[int, int], list[int]] = {}
    for index, phantom_object in enumerate(objects):
        key = (int(phantom_object.x_um // BUCKET_UM), int(phantom_object.y_um // BUCKET_UM))
        buckets.setdefault(key, []).append(index)
    return Scene(mpp, light, noise, buckets, objects)


def render_region(scene: Scene, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
    """Pixels of a region, (height, width, 3) uint8, RGB; x, y, width, height in level-0 px."""
    margin = BLUR_MARGIN_PX
    left, top = x - margin, y - margin
    density = np.zeros((height + 2 * margin, width + 2 * margin, 3), np.float32)
    drew = False
    for index in _objects_near(scene, left, top, density.shape):
        drew |= _add_object(density, scene.objects[index], scene.mpp, left, top)
    light = scene.light_rgb * _illumination(x, y, width, height, scene.mpp)
    if drew:
        density = cv2.GaussianBlur(density, (0, 0), FOCUS_SIGMA_UM / scene.mpp)
        light = light * np.exp(-density[margin:-margin, margin:-margin] * np.float32(np.log(10)))
    rows = np.arange(y, y + height) % NOISE_SIDE_PX
    columns = np.arange(x, x + width) % NOISE_SIDE_PX
    noisy = light + scene.noise[rows[:, None], columns[None, :]]
    return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)


def _objects_near(scene: Scene, left: int, top: int, shape: tuple[int, ...]) -> list[int]:
    low_x, low_y = left * scene.mpp - REACH_UM, top * scene.mpp - REACH_UM
    high_x = (left + shape[1]) * scene.mpp + REACH_UM
    high_y = (top + shape[0]) * scene.mpp + REACH_UM
    indices: list[int] = []
    for column in range(int(low_x // BUCKET_UM), int(high_x // BUCKET_UM) + 1):
        for row in range(int(low_y // BUCKET_UM), int(high_y // BUCKET_UM) + 1):
            indices += scene.buckets.get((column, row), [])
    return sorted(indices)


def _add_object(
    density: NDArray[np.float32], phantom_object: PhantomObject, mpp: float, left: int, top: int
) -> bool:
    """Adds an object's density where its patch overlaps the region; True if it does."""
    x_px, y_px = phantom_object.x_um / mpp, phantom_object.y_um / mpp
    column, row = int(np.floor(x_px)), int(np.floor(y_px))
    half = int(np.ceil(REACH_UM / mpp))
    x0, y0 = column - half - left, row - half - top
    x1, y1 = max(x0, 0), max(y0, 0)
    x2, y2 = min(x0 + 2 * half, density.shape[1]), min(y0 + 2 * half, density.shape[0])
    if x1 >= x2 or y1 >= y2:
        return False
    patch = draw_object(phantom_object, mpp, (x_px - column, y_px - row))
    density[y1:y2, x1:x2] += patch[y1 - y0 : y2 - y0, x1 - x0 : x2 - x0]
    return True


def _illumination(x: int, y: int, width: int, height: int, mpp: float) -> NDArray[np.float32]:
    """Slow unevenness of a few per cent, (height, width, 1) float32 about 1."""
    across = np.cos(np.arange(x, x + width, dtype=np.float32) * np.float32(mpp / 900))
    down = np.sin(np.arange(y, y + height, dtype=np.float32) * np.float32(mpp / 700))
    waves: NDArray[np.float32] = across[None, :] + down[:, None]
    return (1 + np.float32(0.012) * waves)[..., None]
