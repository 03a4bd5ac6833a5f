"""Opens slides and reads their pixels; the only file that knows OpenSlide.

Says what a slide is, tells a wrong file from a damaged one, gives RGB on the slide's background.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import openslide
from numpy.typing import NDArray
from openslide import OpenSlide, OpenSlideError

from service.errors import (
    CytolibraError,
    FocusStackError,
    NotASlideError,
    SlideUnreadableError,
)
from service.pipeline.container import Container, check_container
from service.pipeline.container.encoding import JPEG_TILES
from service.pipeline.dimensions import check_dimensions
from service.pipeline.geometry import best_level
from service.pipeline.mpp import find_mpp
from service.pipeline.types import SlideInfo

WHITE = (255, 255, 255)
#: An overview is read in squares of this side, px of the level, 16 MiB each; damaged ones are
#: halved down to about a scanner's own tile, so that little more than the damage is lost.
OVERVIEW_BLOCK_PX, OVERVIEW_GRAIN_PX = 2048, 256
#: What OpenSlide says of stacks by Ventana and Zeiss, and of what it knows but does not read.
FOCUS_STACK_WORDS = ("Z layers", 'dimension "Z"')
UNSUPPORTED_WORDS = ("upported", "Unrecognized subblock", "Nonzero subblock")
#: Neither glass nor stain.
DAMAGED_GREY = 160


@dataclass(frozen=True)
class Overview:
    """A whole slide, small.

    Attributes:
        pixels: (H, W, 3) uint8 RGB; grey where damaged.
        damaged: (H, W) bool, what could not be read.
        downsample: level-0 px per px of it.
    """

    pixels: NDArray[np.uint8]
    damaged: NDArray[np.bool_]
    downsample: float


class Slide:
    """An open slide. Reads may come from several threads.

    Args:
        path: of the file.
        mpp: µm per level-0 px, overriding what the slide says.

    Raises:
        NotASlideError: the file is of no format or encoding that OpenSlide reads.
        SlideUnreadableError: it is of a known format, but damaged.
        PartOfSlideError, FocusStackError: it is not the slide alone, or not all of it.
        MppMissingError: it states no µm/px and none is given.
        MppImplausibleError, PixelsNotSquareError, DimensionsImplausibleError: see `mpp.py` and
            `dimensions.py`.
    """

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        container = check_container(path)
        self._handle = _open_handle(path)
        try:
            self.info = _describe(self._handle, container, mpp)
        except BaseException:
            self._handle.close()
            raise

    def __enter__(self) -> "Slide":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.close()

    def read_region(self, x: int, y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """Pixels of a level, (height, width, 3) uint8 RGB, on the slide's background.

        Args:
            x, y: level-0 px of the top left corner; what lies outside the slide is background.
            level: pyramid level.
            width, height: px of that level.

        Raises:
            SlideUnreadableError: these pixels are damaged; others may still be read.
        """
        return _on_background(self._read_rgba(x, y, level, width, height), self.info.background_rgb)

    def read_overview(self, downsample: float) -> Overview:
        """The whole slide, small; read in blocks, so that no level is ever held whole.

        Args:
            downsample: level-0 px per px of the picture; no slide is blown up.
        """
        info, wanted = self.info, max(1.0, downsample)
        width, height = max(1, int(info.width / wanted)), max(1, int(info.height / wanted))
        exact = max(info.width / width, info.height / height)
        level = best_level(info.level_downsamples, exact)
        scale = exact / info.level_downsamples[level]
        overview = Overview(
            np.full((height, width, 3), DAMAGED_GREY, np.uint8),
            np.zeros((height, width), np.bool_),
            exact,
        )
        side = max(1, int(OVERVIEW_BLOCK_PX / scale))
        for y in range(0, height, side):
            for x in range(0, width, side):
                self._fill(overview, level, scale, (x, y, side))
        return overview

    def thumbnail(self, max_side_px: int) -> NDArray[np.uint8]:
        """The whole slide, its longer side at most `max_side_px`, (H, W, 3) uint8 RGB.

        Damaged areas are grey.
        """
        return self.read_overview(max(self.info.width, self.info.height) / max_side_px).pixels

    def _fill(
        self, overview: Overview, level: int, scale: float, block: tuple[int, int, int]
    ) -> None:
        """Reads one block of an overview; of a damaged one, what of its quarters can be read."""
        left, top, side = block
        part = overview.pixels[top : top + side, left : left + side]
        height, width = part.shape[:2]
        if not part.size:
            return
        try:
            pixels = self.read_region(
                int(left * overview.downsample),
                int(top * overview.downsample),
                level,
                max(1, round(width * scale)),
                max(1, round(height * scale)),
            )
        except SlideUnreadableError:
            if side * scale <= OVERVIEW_GRAIN_PX or side == 1:
                overview.damaged[top : top + side, left : left + side] = True
                return
            half = -(-side // 2)
            for x, y in ((0, 0), (half, 0), (0, half), (half, half)):
                self._fill(overview, level, scale, (left + x, top + y, half))
        else:
            part[:] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)

    def _read_rgba(self, x: int, y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """Errors are sticky: after one failed read a handle fails for good, for all its threads.

        So a failed read is tried once more on a handle that no other thread can spoil: what is
        damaged then depends on the file alone. The shared handle is replaced but not closed, since
        others may be reading from it; it is freed with its last user.
        """
        handle = self._handle
        try:
            return np.asarray(handle.read_region((x, y), level, (width, height)))
        except OpenSlideError:
            with self._lock:
                if self._handle is handle:
                    self._handle = _open_handle(self._path)
        with _open_handle(self._path) as own:
            try:
                return np.asarray(own.read_region((x, y), level, (width, height)))
            except OpenSlideError as error:
                raise SlideUnreadableError(
                    f"region ({x}, {y}) of level {level} is damaged ({error}): scan the slide or "
                    "upload it again"
                ) from error


def open_slide(path: Path, mpp: float | None = None) -> Slide:
    """The slide at `path`, to be used in a `with`; raises as `Slide` does."""
    return Slide(path, mpp)


def check_slide(path: Path, mpp: float | None = None) -> SlideInfo:
    """What the slide says of itself, if it can be analysed; raises as `Slide` does."""
    with Slide(path, mpp) as slide:
        return slide.info


def _open_handle(path: Path) -> OpenSlide:
    try:
        return OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError as error:
        raise NotASlideError(
            "the file is an image, but of no slide format that OpenSlide reads: "
            "convert it to a pyramidal tiled TIFF"
        ) from error
    except OpenSlideError as error:
        raise _explain(error) from error


def _explain(error: OpenSlideError) -> CytolibraError:
    """What OpenSlide refuses though it understands it is not damaged, by its own words."""
    reason = str(error)
    if any(words in reason for words in FOCUS_STACK_WORDS):
        return FocusStackError(
            f"the file is a focus stack ({reason}): send a file with one focal plane, the one in "
            "focus or the middle one"
        )
    if any(words in reason for words in UNSUPPORTED_WORDS):
        return NotASlideError(
            f"the file is of a variant that OpenSlide does not read ({reason}): {JPEG_TILES}"
        )
    return SlideUnreadableError(
        f"the slide cannot be opened ({reason}): it may be damaged, upload it again; if that does "
        f"not help, {JPEG_TILES}"
    )


def _describe(handle: OpenSlide, container: Container, given_mpp: float | None) -> SlideInfo:
    properties = handle.properties
    width, height = handle.dimensions
    mpp, mpp_source = find_mpp(properties, given_mpp)
    check_dimensions(width, height, mpp, container.size_bytes)
    return SlideInfo(
        vendor=properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown"),
        width=width,
        height=height,
        level_downsamples=tuple(handle.level_downsamples),
        mpp=mpp,
        mpp_source=mpp_source,
        bounds_xywh=_find_bounds(properties),
        background_rgb=_find_background(properties),
        focal_plane=container.focal_plane,
    )


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _find_bounds(properties: Mapping[str, str]) -> tuple[int, int, int, int] | None:
    names = (
        openslide.PROPERTY_NAME_BOUNDS_X,
        openslide.PROPERTY_NAME_BOUNDS_Y,
        openslide.PROPERTY_NAME_BOUNDS_WIDTH,
        openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
    )
    values = [_number(properties.get(name)) for name in names]
    if any(value is None for value in values):
        return None
    x, y, width, height = (int(value or 0) for value in values)
    return x, y, width, height


def _find_background(properties: Mapping[str, str]) -> tuple[int, int, int]:
    text = properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "")
    try:
        red, green, blue = bytes.fromhex(text)
    except ValueError:
        return WHITE
    return red, green, blue


def _on_background(rgba: NDArray[np.uint8], background: tuple[int, int, int]) -> NDArray[np.uint8]:
    alpha = rgba[..., 3:]
    if alpha.min(initial=255) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    share = alpha.astype(np.float32) / 255
    mixed = rgba[..., :3] * share + np.asarray(background, np.float32) * (1 - share)
    return np.asarray(np.rint(mixed), np.uint8)
