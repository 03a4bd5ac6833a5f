"""Tells stain from glass by colour: what differs from the slide's own background.

Works through a picture in bands of rows, since colours as floats take 20 times the picture's room.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from service.pipeline.overview import Overview

Bools = NDArray[np.bool_]
Lab = NDArray[np.float32]

#: Distance in CIE Lab from the background at which a pixel is stained. Sensor noise averaged to
#: 8 µm/px stays below 1; the palest cyanophilic cytoplasm of our phantoms and fields above 4.
MIN_LAB_DISTANCE = 3.0
#: A background is bright and hardly coloured; a slide without such pixels is read whole.
MIN_BACKGROUND_L, MAX_BACKGROUND_CHROMA = 190.0, 22.0
MIN_BACKGROUND_SHARE = 0.02
#: How far from the most frequent brightness the background is averaged.
BACKGROUND_WIDTH_L = 2
BAND_PX = 500_000


def find_background(overview: Overview) -> Lab | None:
    """The most frequent bright colour of what can be read, (3,) Lab as OpenCV scales it, if any."""
    counts = np.zeros(256, np.int64)
    num_read = 0
    for lab in _read_bands(overview):
        bright = lab[_is_bright(lab)]
        counts += np.bincount(bright[:, 0], minlength=256)
        num_read += len(lab)
    if counts.sum() <= MIN_BACKGROUND_SHARE * num_read:
        return None
    mode = int(counts.argmax())
    by_channel = np.zeros((3, 256), np.int64)
    for lab in _read_bands(overview):
        bright = lab[_is_bright(lab)]
        near = bright[np.abs(bright[:, 0].astype(np.int64) - mode) <= BACKGROUND_WIDTH_L]
        by_channel += [np.bincount(channel, minlength=256) for channel in near.T]
    return np.array([_median(histogram) for histogram in by_channel], np.float32)


def find_stained(overview: Overview, background: Lab | None) -> Bools:
    """(H, W), what is stained or damaged; all that is held where no background is known."""
    if background is None:
        return np.asarray(overview.held | overview.damaged)
    stained = np.empty(overview.damaged.shape, np.bool_)
    for rows in _bands(overview):
        stained[rows] = is_stained(overview.pixels[rows], background)
    stained &= overview.held
    stained |= overview.damaged
    return stained


def is_stained(
    rgb: NDArray[np.uint8], background: Lab, min_distance: float = MIN_LAB_DISTANCE
) -> Bools:
    """(H, W), which pixels of (H, W, 3) differ from the background by more than a distance."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    distance = np.linalg.norm(lab - background, axis=2)
    # Brighter than the background is not stained: uneven light, a gap in the mounting medium.
    brighter = (lab[..., 0] > background[0]) & (distance < 2 * min_distance)
    return np.asarray((distance > min_distance) & ~brighter, np.bool_)


def _bands(overview: Overview) -> Iterator[slice]:
    height, width = overview.damaged.shape
    step = max(1, BAND_PX // width)
    for start in range(0, height, step):
        yield slice(start, start + step)


def _read_bands(overview: Overview) -> Iterator[NDArray[np.uint8]]:
    """(N, 3) Lab of the px that could be read and are in the file, band by band."""
    for rows in _bands(overview):
        lab = np.asarray(cv2.cvtColor(overview.pixels[rows], cv2.COLOR_RGB2LAB), np.uint8)
        yield lab[overview.held[rows] & ~overview.damaged[rows]]


def _is_bright(lab: NDArray[np.uint8]) -> Bools:
    chroma = np.linalg.norm(lab[:, 1:].astype(np.float32) - 128, axis=1)
    return np.asarray((lab[:, 0] >= MIN_BACKGROUND_L) & (chroma <= MAX_BACKGROUND_CHROMA))


def _median(histogram: NDArray[np.int64]) -> float:
    """Of so many values of each size from 0."""
    reached = np.cumsum(histogram)
    middles = (reached[-1] - 1) // 2, reached[-1] // 2
    return float(np.mean([np.searchsorted(reached, middle, side="right") for middle in middles]))
