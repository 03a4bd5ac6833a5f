"""A field resampled to the µm/px that a detector is trained at."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data.coco import Field
from models.data.field_pixels import read_field_pixels


@dataclass(frozen=True)
class Sample:
    """Pixels with their cells, all in the pixels of this array.

    Attributes:
        pixels: (H, W, 3) uint8, RGB.
        bbox_xyxy: (N, 4) float32.
        label: (N,) int16.
    """

    pixels: NDArray[np.uint8]
    bbox_xyxy: NDArray[np.float32]
    label: NDArray[np.int16]


def resample_pixels(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """The picture at `scale` times its size, (H, W, 3) uint8; area-averaged when shrinking."""
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    if (height, width) == pixels.shape[:2]:
        return pixels
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=interpolation), np.uint8)


def resample_field(field: Field, mpp: float) -> Sample:
    """A field at `mpp` µm/px; a field that states no µm/px is not resampled.

    Raises:
        DatasetError: the image cannot be read.
    """
    scale = 1.0 if field.mpp is None else field.mpp / mpp
    pixels = resample_pixels(read_field_pixels(field), scale)
    return Sample(pixels, (field.bbox_xyxy * scale).astype(np.float32), field.label)
