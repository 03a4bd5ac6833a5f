"""Finds where cells may lie, on a small picture of the slide; pale cells must not be lost.

Errs on the side of reading too much: an empty tile costs a tenth of a second, a lost cell is lost.
A low level alone never decides that a place is glass: samples of the glass are compared with
level 0.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.errors import DimensionsImplausibleError
from service.pipeline.glass_check import check_glass
from service.pipeline.overview import read_parts
from service.pipeline.slide import Slide
from service.pipeline.stain import Lab, find_background, find_stained
from service.pipeline.tile_presence import SAMPLE_SIDE_PX
from service.pipeline.types import SlideInfo

Bools = NDArray[np.bool_]

MASK_MPP = 8.0
#: 2,560 mm², all that `dimensions.py` accepts. The picture takes 5 bytes a pixel and the masks 2
#: more, so that finding tissue and planning tiles stay below 300 MB for every slide.
MAX_MASK_PX = 40_000_000
#: So that a cell whose edge is seen is seen whole, with what surrounds it.
MARGIN_UM = 40.0
#: A level that misses stain in more places than this does not show the slide.
MAX_MISSED_PLACES = 3


@dataclass(frozen=True)
class TissueMask:
    """Where cells may lie.

    Attributes:
        pixels: (H, W) bool.
        downsample: level-0 px per mask px.
        lost: (H, W) bool, stained at any other level but not in the file at level 0; None where
            nothing is.
        num_absent_px: level-0 px of the slide that are not in the file.
    """

    pixels: Bools
    downsample: float
    lost: Bools | None = None
    num_absent_px: float = 0.0

    def touches(self, xyxy: tuple[float, float, float, float]) -> bool:
        """True if any stained pixel lies in a level-0 rectangle."""
        return bool(self.pixels[self._window(xyxy)].any())

    def touches_lost(self, xyxy: tuple[float, float, float, float]) -> bool:
        """True if tissue that is not in the file lies in a level-0 rectangle."""
        return self.lost is not None and bool(self.lost[self._window(xyxy)].any())

    @property
    def num_level0_px(self) -> float:
        """Area in level-0 px."""
        return float(self.pixels.sum()) * self.downsample**2

    def num_level0_px_in(self, xyxy: tuple[float, float, float, float]) -> float:
        """Its area in a level-0 rectangle, level-0 px; each mask px counts where its middle lies.

        So the areas of rectangles that share no point never add up to more than the whole.
        """
        # A mask px of index i has its middle at (i + 0.5) * downsample.
        x1, y1, x2, y2 = (max(0, math.ceil(at / self.downsample - 0.5)) for at in xyxy)
        return float(np.count_nonzero(self.pixels[y1:y2, x1:x2])) * self.downsample**2

    @property
    def num_lost_px(self) -> float:
        """Area of lost tissue in level-0 px."""
        return 0.0 if self.lost is None else float(self.lost.sum()) * self.downsample**2

    def _window(self, xyxy: tuple[float, float, float, float]) -> tuple[slice, slice]:
        x1, y1 = (max(0, int(value // self.downsample)) for value in xyxy[:2])
        x2, y2 = (int(np.ceil(value / self.downsample)) for value in xyxy[2:])
        return slice(y1, max(y2, y1 + 1)), slice(x1, max(x2, x1 + 1))


@dataclass(frozen=True)
class _Stain:
    """What was found on an overview: stained and held px, and its level and scale."""

    stained: Bools
    held: Bools
    downsample: float
    level: int


def find_tissue(slide: Slide) -> TissueMask:
    """Where cells may lie on a slide.

    An area that cannot be read counts as tissue, so that it is reported as unreadable rather than
    passed over. Pyramid levels that turn out not to show the slide are left out of it.

    Raises:
        DimensionsImplausibleError: the slide would be larger than a glass slide.
    """
    _check_area(slide.info)
    stain = _find_stain(slide)
    # Stained px whose middle is not in the file at level 0.
    lost = _absent(slide, 0, stain.stained, stain.downsample)
    num_absent_px = slide.presence.num_absent_px
    absent_px = 0.0 if num_absent_px is None else float(num_absent_px)
    if num_absent_px is None:
        absent_px = float(np.count_nonzero(~stain.held | lost)) * stain.downsample**2
    pixels = _with_margin(stain, slide.info.mpp)
    return TissueMask(pixels, stain.downsample, lost if lost.any() else None, absent_px)


def _check_area(info: SlideInfo) -> None:
    width_um, height_um = info.width * info.mpp, info.height * info.mpp
    if width_um * height_um > MAX_MASK_PX * MASK_MPP**2:
        raise DimensionsImplausibleError(
            f"{info.width}x{info.height} px at {info.mpp:g} µm/px are {width_um / 1000:.0f} x "
            f"{height_um / 1000:.0f} mm, larger than a glass slide: give the right µm/px as mpp="
        )


def _find_stain(slide: Slide) -> _Stain:
    """Stain on the coarsest level that agrees with level 0 about what is glass.

    Where neither that level nor level 0 holds anything, stain on any other level.
    """
    stain, background = _find_agreed_stain(slide)
    _add_shown_elsewhere(slide, background, stain)
    return stain


def _find_agreed_stain(slide: Slide) -> tuple[_Stain, Lab | None]:
    """Stain on one level, and the slide's background."""
    while True:
        overview = slide.read_overview(MASK_MPP / slide.info.mpp)
        background = find_background(overview)
        stained = find_stained(overview, background)
        stain = _Stain(stained, overview.held, overview.downsample, overview.level)
        if stain.level == 0 or background is None:
            return stain, background
        del overview
        mask = _with_margin(stain, slide.info.mpp)
        check = check_glass(slide, background, mask, stain.downsample)
        if len(check.stained) <= MAX_MISSED_PLACES:
            for place in (*check.stained, *check.unreadable):
                stained[place] = True
            return stain, background
        num_missed = len(check.stained)
        slide.leave_out(
            stain.level, f"it shows glass in {num_missed} places or more where level 0 has tissue"
        )


def _add_shown_elsewhere(slide: Slide, background: Lab | None, stain: _Stain) -> None:
    """Adds, in place, the stain of any other level where neither this one nor level 0 holds any."""
    others = set(range(1, len(slide.info.level_downsamples))) - {stain.level}
    if not others or stain.held.all():
        return
    gaps = _absent(slide, 0, ~stain.held, stain.downsample)
    for level in sorted(others):
        places = gaps & ~_absent(slide, level, gaps, stain.downsample)
        for here, part in read_parts(slide, level, places, stain.downsample):
            stain.stained[here] |= find_stained(part, background) & gaps[here]


def _with_margin(stain: _Stain, mpp: float) -> Bools:
    margin_px = int(np.ceil(MARGIN_UM / (mpp * stain.downsample)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin_px + 1,) * 2)
    return np.asarray(cv2.dilate(stain.stained.view(np.uint8), kernel).view(np.bool_))


def _absent(slide: Slide, level: int, places: Bools, downsample: float) -> Bools:
    """Those of some px of a mask whose middle is not in the file at a level."""
    absent = np.zeros_like(places)
    if level == 0 and slide.presence.num_absent_px == 0:
        return absent
    for rows in _bands(places, downsample):
        y, x = np.nonzero(places[rows])
        if not len(x):
            continue
        at_x = np.minimum(((x + 0.5) * downsample).astype(np.int64), slide.info.width - 1)
        at_y = ((y + rows.start + 0.5) * downsample).astype(np.int64)
        at_y = np.minimum(at_y, slide.info.height - 1)
        absent[rows][y, x] = ~slide.held(level, at_x, at_y)
    return absent


def _bands(mask: Bools, downsample: float) -> Iterator[slice]:
    """Rows of a mask in bands as high as a square that is sampled."""
    step = max(1, int(SAMPLE_SIDE_PX / downsample))
    for start in range(0, mask.shape[0], step):
        yield slice(start, start + step)
