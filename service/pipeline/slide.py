"""Opens slides and reads their pixels; the only file that knows OpenSlide.

Says what a slide is, tells a wrong file from a damaged one, gives RGB on the slide's background.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import openslide
from numpy.typing import NDArray
from openslide import OpenSlide, OpenSlideError

from service.errors import (
    CytolibraError,
    DimensionsImplausibleError,
    FocusStackError,
    NotASlideError,
    SlideUnreadableError,
)
from service.pipeline.container import Container, check_container
from service.pipeline.container.encoding import JPEG_TILES
from service.pipeline.dimensions import check_dimensions
from service.pipeline.levels import (
    SPOT_GRID,
    Level,
    StatedLevel,
    TrustedLevels,
    choose_levels,
)
from service.pipeline.missing_tiles import read_filled
from service.pipeline.mpp import find_mpp, read_scale
from service.pipeline.overview import Overview, read_overview
from service.pipeline.tile_presence import (
    SampledPresence,
    TilePresence,
    heaviest_in_squares,
    read_tile_tables,
)
from service.pipeline.types import SlideInfo

Pixels = NDArray[np.uint8]

WHITE = (255, 255, 255)
#: What OpenSlide says of stacks by Ventana and Zeiss, and of what it knows but does not read.
FOCUS_STACK_WORDS = ("Z layers", 'dimension "Z"')
UNSUPPORTED_WORDS = ("upported", "Unrecognized subblock", "Nonzero subblock")


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

    info: SlideInfo
    #: Which parts of level 0 the file holds.
    presence: TilePresence

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        container = check_container(path)
        self._handle = _open_handle(path)
        try:
            self.info = _describe(self._handle, container, mpp)
            stated = _state_levels(self._handle)
            tables = read_tile_tables(path)
            self._tables = {level.index: tables.get(level.size) for level in stated}
            self.presence = self._tables[0] or SampledPresence(
                (self.info.width, self.info.height), partial(self._holds, Level(0, 1.0, 1.0))
            )
            structured = heaviest_in_squares(self.presence, SPOT_GRID)
            self._use_levels(choose_levels(stated, structured, self._read_gray))
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

    def read_region(self, x: float, y: float, level: int, width: int, height: int) -> Pixels:
        """Pixels of a level, (height, width, 3) uint8 RGB, on the slide's background.

        Args:
            x, y: level-0 px of the top left corner; what lies outside the slide is background.
            level: pyramid level.
            width, height: px of that level.

        Raises:
            SlideUnreadableError: these pixels are damaged; others may still be read.
        """
        rgba = read_filled(self, x, y, level, width, height)
        return _on_background(rgba, self.info.background_rgb)

    def read_rgba(self, x: float, y: float, level: int, width: int, height: int) -> Pixels:
        """As `read_region`, but (height, width, 4): transparent where the level holds nothing.

        Raises:
            SlideUnreadableError: these pixels are damaged; others may still be read.
        """
        return self._read_level(self._levels[level], x, y, width, height)

    def held(self, level: int, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of N points on the slide, level-0 px, the file holds at a level, (N,)."""
        used = self._levels[level]
        table = self._tables[used.index]
        if table is None:
            size = self.info.width, self.info.height
            return SampledPresence(size, partial(self._holds, used)).held(x, y)
        at_x, at_y = (
            np.minimum((at / used.downsample).astype(np.int64), side - 1)
            for at, side in zip((x, y), table.size, strict=True)
        )
        return table.held(at_x, at_y)

    def leave_out(self, level: int, reason: str) -> None:
        """From now on a pyramid level is not used; those above it move down by one."""
        left = self._levels[level]
        kept = tuple(other for other in self._levels if other is not left)
        sentence = f"level {left.index} is not used: {reason}"
        self._use_levels(TrustedLevels(kept, (*self.info.left_out_levels, sentence)))

    def read_overview(self, downsample: float) -> Overview:
        """The whole slide, small; `downsample` level-0 px per px, no slide is blown up."""
        return read_overview(self, downsample)

    def thumbnail(self, max_side_px: int) -> NDArray[np.uint8]:
        """The whole slide, its longer side at most `max_side_px`, (H, W, 3) uint8 RGB.

        Damaged areas are grey.
        """
        return self.read_overview(max(self.info.width, self.info.height) / max_side_px).pixels

    def _use_levels(self, trusted: TrustedLevels) -> None:
        self._levels = trusted.levels
        downsamples = tuple(level.downsample for level in trusted.levels)
        self.info = replace(
            self.info, level_downsamples=downsamples, left_out_levels=trusted.left_out
        )

    def _holds(self, level: Level, x: int, y: int) -> bool:
        """Whether a level's pixel is in the file; damaged ones are, and will be told of."""
        try:
            return bool(self._read_level(level, x, y, 1, 1)[0, 0, 3])
        except SlideUnreadableError:
            return True

    def _read_gray(
        self, level: Level, x: float, y: float, width: int, height: int
    ) -> NDArray[np.float32] | None:
        """Grey pixels of a level, trusted or not; None if damaged or not all in the file."""
        try:
            rgba = self._read_level(level, x, y, width, height)
        except SlideUnreadableError:
            return None
        if rgba[..., 3].min(initial=255) < 255:
            return None
        return np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2GRAY), np.float32)

    def _read_level(self, level: Level, x: float, y: float, width: int, height: int) -> Pixels:
        """OpenSlide places pixels by its own downsample, which padding and rounding falsify."""
        table = self._tables[level.index]
        at_x, at_y = x / level.downsample, y / level.downsample
        if table is not None and table.has_misplaced(at_x, at_y, width, height):
            raise SlideUnreadableError(
                f"region ({x:.0f}, {y:.0f}) of level {level.index} is damaged (a tile of it has no "
                "place in the file): scan the slide or upload it again"
            )
        place = round(at_x * level.nominal_downsample), round(at_y * level.nominal_downsample)
        return self._read_rgba(*place, level.index, width, height)

    def _read_rgba(self, x: int, y: int, level: int, width: int, height: int) -> Pixels:
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


def _state_levels(handle: OpenSlide) -> list[StatedLevel]:
    levels = []
    for index, size in enumerate(handle.level_dimensions):
        sides = [
            _number(handle.properties.get(f"openslide.level[{index}].tile-{side}"))
            for side in ("width", "height")
        ]
        tile_size = None if None in sides else (int(sides[0] or 0), int(sides[1] or 0))
        levels.append(StatedLevel(index, size, tile_size, handle.level_downsamples[index]))
    return levels


def _describe(handle: OpenSlide, container: Container, given_mpp: float | None) -> SlideInfo:
    properties = handle.properties
    width, height = handle.dimensions

    def fits_glass(mpp: float) -> bool:
        try:
            check_dimensions(width, height, mpp, container.size_bytes)
        except DimensionsImplausibleError:
            return False
        return True

    mpp, mpp_source = find_mpp(properties, given_mpp, fits_glass)
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
        stated_mpp=next(iter(read_scale(properties).mpps), None),
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
