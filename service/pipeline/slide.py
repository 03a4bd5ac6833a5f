"""Opens slides and reads their pixels; the only file that knows OpenSlide.

Says what a slide is, tells a wrong file from a damaged one, gives RGB on the slide's background.
"""

import math
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import openslide
from numpy.typing import NDArray
from openslide import OpenSlide, OpenSlideError

from service.errors import MppMissingError, NotASlideError, SlideUnreadableError
from service.pipeline.container import check_container
from service.pipeline.types import MppSource, SlideInfo

#: Objective power times µm/px of common scanners: 40 x 0.25, 20 x 0.5.
POWER_TIMES_MPP = 10.0
MAX_MPP = 20.0
WHITE = (255, 255, 255)


class Slide:
    """An open slide. Reads may come from several threads.

    Args:
        path: of the file.
        mpp: µm per level-0 px, overriding what the slide says.

    Raises:
        NotASlideError: the file is of no format that OpenSlide reads.
        SlideUnreadableError: it is of a known format, but damaged.
        MppMissingError: it states no µm/px and none is given.
    """

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._handle = _open(path)
        try:
            self.info = _describe(self._handle, mpp)
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
        handle = self._handle
        try:
            rgba = np.asarray(handle.read_region((x, y), level, (width, height)))
        except OpenSlideError as error:
            self._replace(handle)
            raise SlideUnreadableError(f"region ({x}, {y}) of level {level}: {error}") from error
        return _on_background(rgba, self.info.background_rgb)

    def thumbnail(self, max_side_px: int) -> NDArray[np.uint8]:
        """The whole slide, its longer side at most `max_side_px`, (H, W, 3) uint8 RGB.

        Raises:
            SlideUnreadableError: it cannot be read.
        """
        try:
            picture = self._handle.get_thumbnail((max_side_px, max_side_px))
        except OpenSlideError as error:
            self._replace(self._handle)
            raise SlideUnreadableError(f"the slide's overview cannot be read: {error}") from error
        return np.asarray(picture.convert("RGB"))

    def _replace(self, failed: OpenSlide) -> None:
        """Errors are sticky: after one failed read a handle fails for good.

        The failed one is not closed, since other threads may be reading from it; it is freed with
        its last user.
        """
        with self._lock:
            if self._handle is failed:
                self._handle = _open(self._path)


def open_slide(path: Path, mpp: float | None = None) -> Slide:
    """The slide at `path`, to be used in a `with`; raises as `Slide` does."""
    return Slide(path, mpp)


def check_slide(path: Path, mpp: float | None = None) -> SlideInfo:
    """What the slide says of itself, if it can be analysed; raises as `Slide` does."""
    with Slide(path, mpp) as slide:
        return slide.info


def _open(path: Path) -> OpenSlide:
    check_container(path)
    try:
        return OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError as error:
        raise NotASlideError(
            "the file is an image, but of no slide format that OpenSlide reads: "
            "convert it to a pyramidal tiled TIFF"
        ) from error
    except OpenSlideError as error:
        raise SlideUnreadableError(
            f"the slide cannot be opened ({error}): it may be damaged, upload it again"
        ) from error


def _describe(handle: OpenSlide, mpp: float | None) -> SlideInfo:
    properties = handle.properties
    width, height = handle.dimensions
    found, source = _find_mpp(properties, mpp)
    return SlideInfo(
        vendor=properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown"),
        width=width,
        height=height,
        level_downsamples=tuple(handle.level_downsamples),
        mpp=found,
        mpp_source=source,
        bounds_xywh=_find_bounds(properties),
        background_rgb=_find_background(properties),
    )


def _find_mpp(properties: Mapping[str, str], given: float | None) -> tuple[float, MppSource]:
    if given is not None:
        if not 0 < given <= MAX_MPP:
            raise MppMissingError(f"mpp={given:g} is not a µm/px between 0 and {MAX_MPP:g}")
        return given, "request"
    stated = [
        _number(properties.get(name))
        for name in (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y)
    ]
    if all(value is not None and 0 < value <= MAX_MPP for value in stated):
        return sum(value for value in stated if value is not None) / 2, "slide"
    power = _number(properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER))
    if power is not None and 0 < power <= 200:
        return POWER_TIMES_MPP / power, "objective-power"
    raise MppMissingError(
        "the slide does not state its µm per pixel: give it as mpp=, e.g. mpp=0.25 for a 40x scan"
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
