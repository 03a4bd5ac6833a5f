"""Finds where cells may lie, on a small picture of the slide; pale cells must not be lost.

Errs on the side of reading too much: an empty tile costs a tenth of a second, a lost cell is lost.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.pipeline.geometry import best_level
from service.pipeline.slide import Slide
from service.pipeline.types import SlideInfo

MASK_MPP = 8.0
STRIP_HEIGHT_PX = 1024
#: Distance in CIE Lab from the background at which a pixel is stained. Sensor noise averaged to
#: 8 µm/px stays below 1; the palest cyanophilic cytoplasm of our phantoms and fields above 4.
MIN_LAB_DISTANCE = 3.0
#: A background is bright and hardly coloured; a slide without such pixels is read whole.
MIN_BACKGROUND_L, MAX_BACKGROUND_CHROMA = 190.0, 22.0
MIN_BACKGROUND_SHARE = 0.02
#: So that a cell whose edge is seen is seen whole, with what surrounds it.
MARGIN_UM = 40.0


@dataclass(frozen=True)
class TissueMask:
    """Where cells may lie.

    Attributes:
        pixels: (H, W) bool.
        downsample: level-0 px per mask px.
    """

    pixels: NDArray[np.bool_]
    downsample: float

    def touches(self, xyxy: tuple[float, float, float, float]) -> bool:
        """True if any stained pixel lies in a level-0 rectangle."""
        x1, y1 = (max(0, int(value // self.downsample)) for value in xyxy[:2])
        x2, y2 = (int(np.ceil(value / self.downsample)) for value in xyxy[2:])
        return bool(self.pixels[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)].any())

    @property
    def num_level0_px(self) -> float:
        """Area in level-0 px."""
        return float(self.pixels.sum()) * self.downsample**2


def find_tissue(slide: Slide) -> TissueMask:
    """Where cells may lie on a slide.

    An area that cannot be read counts as tissue, so that it is reported as unreadable rather than
    passed over.
    """
    picture, damaged, downsample = _read_small(slide)
    stained = _find_stained(picture) | damaged
    margin_px = int(np.ceil(MARGIN_UM / (slide.info.mpp * downsample)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin_px + 1,) * 2)
    grown = cv2.dilate(stained.astype(np.uint8), kernel)
    return TissueMask(grown.astype(bool), downsample)


def _find_stained(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    background = _find_background(lab)
    if background is None:
        return np.ones(picture.shape[:2], np.bool_)
    distance = np.linalg.norm(lab - background, axis=2)
    # Brighter than the background is not stained: uneven light, a gap in the mounting medium.
    brighter = (lab[..., 0] > background[0]) & (distance < 2 * MIN_LAB_DISTANCE)
    return np.asarray((distance > MIN_LAB_DISTANCE) & ~brighter, np.bool_)


def _find_background(lab: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The most frequent bright colour, (3,) Lab as OpenCV scales it, or None if there is none."""
    chroma = np.linalg.norm(lab[..., 1:] - 128, axis=2)
    bright = lab[(lab[..., 0] >= MIN_BACKGROUND_L) & (chroma <= MAX_BACKGROUND_CHROMA)]
    if len(bright) < MIN_BACKGROUND_SHARE * lab.shape[0] * lab.shape[1]:
        return None
    mode = np.bincount(bright[:, 0].astype(np.int64)).argmax()
    near = bright[np.abs(bright[:, 0] - mode) <= 2]
    return np.asarray(np.median(near, axis=0), np.float32)


def _read_small(slide: Slide) -> tuple[NDArray[np.uint8], NDArray[np.bool_], float]:
    """The slide at about 8 µm/px, read in strips; what is damaged; level-0 px per px of it."""
    info = slide.info
    wanted = max(1.0, MASK_MPP / info.mpp)
    level = best_level(info.level_downsamples, wanted)
    own = info.level_downsamples[level]
    width, height = max(1, int(info.width / wanted)), max(1, int(info.height / wanted))
    downsample = max(info.width / width, info.height / height)
    picture = np.empty((height, width, 3), np.uint8)
    damaged = np.zeros((height, width), np.bool_)
    rows_per_strip = max(1, int(STRIP_HEIGHT_PX * own / downsample))
    for top in range(0, height, rows_per_strip):
        rows = min(rows_per_strip, height - top)
        _read_strip(slide, level, downsample, picture[top : top + rows], damaged, top)
    return picture, damaged, downsample


def _read_strip(
    slide: Slide,
    level: int,
    downsample: float,
    into: NDArray[np.uint8],
    damaged: NDArray[np.bool_],
    top: int,
) -> None:
    from service.errors import SlideUnreadableError

    rows, width = into.shape[:2]
    own = slide.info.level_downsamples[level]
    read_height = max(1, round(rows * downsample / own))
    columns = max(1, int(STRIP_HEIGHT_PX * 4 * own / downsample))
    for left in range(0, width, columns):
        part = into[:, left : left + columns]
        read_width = max(1, round(part.shape[1] * downsample / own))
        try:
            pixels = slide.read_region(
                int(left * downsample), int(top * downsample), level, read_width, read_height
            )
        except SlideUnreadableError:
            part[:] = slide.info.background_rgb
            damaged[top : top + rows, left : left + columns] = True
            continue
        size = (part.shape[1], rows)
        part[:] = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def tissue_area_mm2(mask: TissueMask, info: SlideInfo) -> float:
    """Area of the mask, mm²."""
    return mask.num_level0_px * info.mpp**2 / 1e6
