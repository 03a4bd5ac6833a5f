"""Finds where cells may lie, on a small picture of the slide; pale cells must not be lost.

Errs on the side of reading too much: an empty tile costs a tenth of a second, a lost cell is lost.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.pipeline.slide import Overview, Slide

MASK_MPP = 8.0
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
    overview = slide.read_overview(MASK_MPP / slide.info.mpp)
    stained = _find_stained(overview)
    margin_px = int(np.ceil(MARGIN_UM / (slide.info.mpp * overview.downsample)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin_px + 1,) * 2)
    grown = cv2.dilate(stained.astype(np.uint8), kernel)
    return TissueMask(grown.astype(bool), overview.downsample)


def _find_stained(overview: Overview) -> NDArray[np.bool_]:
    lab = cv2.cvtColor(overview.pixels, cv2.COLOR_RGB2LAB).astype(np.float32)
    background = _find_background(lab[~overview.damaged])
    if background is None:
        return np.ones(lab.shape[:2], np.bool_)
    distance = np.linalg.norm(lab - background, axis=2)
    # Brighter than the background is not stained: uneven light, a gap in the mounting medium.
    brighter = (lab[..., 0] > background[0]) & (distance < 2 * MIN_LAB_DISTANCE)
    return np.asarray((distance > MIN_LAB_DISTANCE) & ~brighter | overview.damaged, np.bool_)


def _find_background(lab: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The most frequent bright colour of (N, 3) pixels, (3,) Lab as OpenCV scales it, if any."""
    chroma = np.linalg.norm(lab[:, 1:] - 128, axis=1)
    bright = lab[(lab[:, 0] >= MIN_BACKGROUND_L) & (chroma <= MAX_BACKGROUND_CHROMA)]
    if len(bright) <= MIN_BACKGROUND_SHARE * len(lab):
        return None
    mode = np.bincount(bright[:, 0].astype(np.int64)).argmax()
    near = bright[np.abs(bright[:, 0] - mode) <= 2]
    return np.asarray(np.median(near, axis=0), np.float32)
