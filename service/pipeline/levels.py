"""Decides which pyramid levels of a slide are levels of it; level 0 alone is enough to be right.

A level must have level 0's shape, and show what level 0 (or a level already trusted) shows in the
same places. How pixels are read is left to the caller.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.pipeline.tile_presence import Rectangle

Gray = NDArray[np.float32]

#: Every halving of a pyramid rounds by up to one px (Aperio down, others up), and what the earlier
#: ones lost halves with each: less than 2 px of the level in all.
ROUNDING_PX = 2.0
#: Leica and Ventana assemble levels from areas that are rounded each for itself.
ROUNDING_SHARE = 0.005
#: A coarser level than this share above level 0's scale is a copy of it or another plane of focus.
MIN_DOWNSAMPLE = 1.05
#: Spots compared with level 0: one from each square of a grid over the slide, the best ones of all.
SPOT_GRID, NUM_SPOTS = 4, 8
#: Side of a spot in px of the level that is judged, and the most px it is compared with.
SPOT_PX, MAX_REFERENCE_PX = 32, 256
#: A level may lie beside its place by so many of its own px: rounding, another way of shrinking.
SHIFT_PX = 2
#: Grey levels (of 255) of standard deviation above which a spot has structure to compare.
MIN_STRUCTURE = 6.0
#: Where both show nothing, their grey may differ by so much: JPEG quality, another white.
MAX_FLAT_DIFFERENCE = 25.0
#: Levels made by nearest neighbour, the roughest way, correlate with averaged ones by 0.8 and more.
MIN_CORRELATION = 0.5
#: So many spots of a level may differ (dust of one tile, a stitch), if at least four times as many
#: agree.
MAX_STRAY_SPOTS = 1
#: A judged level must show a spot by at least so many px each way.
MIN_SPOT_PX = 6


@dataclass(frozen=True)
class Level:
    """A pyramid level that is used.

    Attributes:
        index: in the file.
        downsample: level-0 px per px of it, as its pixels have it.
        nominal_downsample: as OpenSlide has it, from sizes that may be padded or rounded.
    """

    index: int
    downsample: float
    nominal_downsample: float


@dataclass(frozen=True)
class StatedLevel:
    """What the file says of a level.

    Attributes:
        index: in the file.
        size: (width, height), px.
        tile_size: (width, height) of its tiles, px; None if it is not tiled.
        nominal_downsample: OpenSlide's.
    """

    index: int
    size: tuple[int, int]
    tile_size: tuple[int, int] | None
    nominal_downsample: float


@dataclass(frozen=True)
class TrustedLevels:
    """The outcome: levels to use, level 0 first, and a sentence for each that is left out."""

    levels: tuple[Level, ...]
    left_out: tuple[str, ...]


#: Grey pixels of a level: (level, x, y, width, height), the place in level-0 px, the size in px of
#: the level; None where they are damaged or not in the file.
ReadGray = Callable[[Level, float, float, int, int], Gray | None]


def choose_levels(
    stated: Sequence[StatedLevel], structured_tiles: Sequence[Rectangle], read: ReadGray
) -> TrustedLevels:
    """The levels that show level 0's picture in its place.

    Args:
        stated: all levels of the file, level 0 first.
        structured_tiles: of level 0, spread over the slide, most structure first; empty if the
            file does not tell.
        read: gives pixels.
    """
    full = Level(stated[0].index, 1.0, 1.0)
    trusted, left_out = [full], list[str]()
    spots = _choose_spots(stated[0].size, structured_tiles, full, read) if stated[1:] else []
    for level in stated[1:]:
        outcome = _judge(level, stated[0].size, trusted, spots, read)
        if isinstance(outcome, Level):
            trusted.append(outcome)
        else:
            width, height = level.size
            left_out.append(f"level {level.index} ({width}x{height} px) is not used: {outcome}")
    return TrustedLevels(tuple(trusted), tuple(left_out))


def plausible_downsamples(level: StatedLevel, full_size: tuple[int, int]) -> list[float]:
    """Downsamples that explain a level's width and height both, likeliest first; none if there is
    no such.

    A whole number within rounding comes first, then OpenSlide's own figure within what assembled
    levels need, then powers of two whose level was padded to whole tiles.
    """
    nominal = level.nominal_downsample
    whole = float(round(nominal))
    power = 2.0 ** math.ceil(math.log2(max(nominal, 1.0)) - 1e-9)
    choices = [whole] if _is_rounded(level.size, full_size, whole) else []
    if not choices and _is_near(level.size, full_size, nominal):
        choices.append(nominal)
    choices += [
        padded
        for padded in (power, 2 * power, whole, whole + 1)
        if padded not in choices and _is_padded(level, full_size, padded)
    ]
    return choices


def _is_rounded(size: tuple[int, int], full_size: tuple[int, int], downsample: float) -> bool:
    return downsample >= 1 and all(
        abs(side - full / downsample) < ROUNDING_PX
        for side, full in zip(size, full_size, strict=True)
    )


def _is_near(size: tuple[int, int], full_size: tuple[int, int], downsample: float) -> bool:
    return all(
        abs(side - full / downsample) < max(ROUNDING_PX, ROUNDING_SHARE * side)
        for side, full in zip(size, full_size, strict=True)
    )


def _is_padded(level: StatedLevel, full_size: tuple[int, int], downsample: float) -> bool:
    if level.tile_size is None or downsample < MIN_DOWNSAMPLE:
        return False
    return all(
        side % tile == 0 and -ROUNDING_PX < side - full / downsample < tile + ROUNDING_PX
        for side, full, tile in zip(level.size, full_size, level.tile_size, strict=True)
    )


def _judge(
    level: StatedLevel,
    full_size: tuple[int, int],
    trusted: Sequence[Level],
    spots: Sequence[tuple[float, float]],
    read: ReadGray,
) -> Level | str:
    """The level as it is to be used, or why it is not."""
    across, down = (full / side for full, side in zip(full_size, level.size, strict=True))
    if across < MIN_DOWNSAMPLE and down < MIN_DOWNSAMPLE:
        return "it is of level 0's own size, a copy or another plane of focus"
    reason = (
        f"level 0 is {across:.4g} times as wide and {down:.4g} times as high, "
        "which is no one downsample"
    )
    for downsample in plausible_downsamples(level, full_size):
        candidate = Level(level.index, downsample, level.nominal_downsample)
        reason = _compare(candidate, full_size, trusted, spots, read)
        if not reason:
            return candidate
    return reason


def _compare(
    level: Level,
    full_size: tuple[int, int],
    trusted: Sequence[Level],
    spots: Sequence[tuple[float, float]],
    read: ReadGray,
) -> str:
    """Why a level does not show what finer ones show; empty if it does."""
    side_px = [min(SPOT_PX * level.downsample, side) for side in full_size]
    if min(side_px) < MIN_SPOT_PX * level.downsample:
        return "it is too small to be compared with level 0"
    reference = _reference(level, trusted)
    verdicts = [
        verdict
        for spot in spots
        if (verdict := _spot_agrees(level, reference, _window(spot, side_px, full_size), read))
        is not None
    ]
    num_bad = verdicts.count(False)
    if not verdicts:
        return "none of the places compared can be read from both it and level 0"
    num_good = len(verdicts) - num_bad
    if num_bad > MAX_STRAY_SPOTS or 4 * num_bad > num_good:
        return f"{num_bad} of {len(verdicts)} places compared do not show what level 0 shows there"
    return ""


def _reference(level: Level, trusted: Sequence[Level]) -> Level:
    """The finest trusted level in which a spot is no larger than `MAX_REFERENCE_PX`."""
    by_fineness = sorted(trusted, key=lambda other: other.downsample)
    finer = [other for other in by_fineness if other.downsample <= level.downsample]
    small = (
        other
        for other in finer
        if SPOT_PX * level.downsample / other.downsample <= MAX_REFERENCE_PX
    )
    return next(small, finer[-1])


def _window(
    spot: tuple[float, float], side_px: Sequence[float], full_size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """(x, y, width, height) around a spot, moved to lie on the slide; level-0 px."""
    x, y = (
        min(max(0.0, centre - side / 2), full - side)
        for centre, side, full in zip(spot, side_px, full_size, strict=True)
    )
    return x, y, side_px[0], side_px[1]


def _spot_agrees(
    level: Level,
    reference: Level,
    window: tuple[float, float, float, float],
    read: ReadGray,
) -> bool | None:
    """Whether a level shows in a window what the reference shows; None if either cannot be read."""
    x, y, width, height = window
    # On whole px of the level, so that neither picture is shifted by part of one.
    left, top = round(x / level.downsample), round(y / level.downsample)
    columns, rows = int(width / level.downsample), int(height / level.downsample)
    x, y = left * level.downsample, top * level.downsample
    shown = read(level, x, y, columns, rows)
    step = level.downsample / reference.downsample
    source = read(reference, x, y, max(1, round(columns * step)), max(1, round(rows * step)))
    if shown is None or source is None:
        return None
    expected = np.asarray(cv2.resize(source, (columns, rows), interpolation=cv2.INTER_AREA))
    return pictures_agree(expected.astype(np.float32), shown)


def pictures_agree(expected: Gray, shown: Gray) -> bool:
    """Whether two grey pictures of one size show the same, at most `SHIFT_PX` beside each other."""
    if expected.std() < MIN_STRUCTURE:
        flat = shown.std() < 2 * MIN_STRUCTURE
        return bool(flat and abs(shown.mean() - expected.mean()) < MAX_FLAT_DIFFERENCE)
    inner = expected[SHIFT_PX:-SHIFT_PX, SHIFT_PX:-SHIFT_PX]
    # A picture without any contrast has no correlation; OpenCV calls it 1.
    if shown.std() < 1 or inner.std() < 1:
        return False
    correlation = cv2.matchTemplate(shown, np.ascontiguousarray(inner), cv2.TM_CCOEFF_NORMED)
    return bool(np.nanmax(correlation) >= MIN_CORRELATION)


def _choose_spots(
    size: tuple[int, int], structured_tiles: Sequence[Rectangle], full: Level, read: ReadGray
) -> list[tuple[float, float]]:
    """Centres of places with structure, spread over the slide, level-0 px."""
    if structured_tiles:
        chosen = structured_tiles[:NUM_SPOTS]
        return [(x + width / 2, y + height / 2) for x, y, width, height in chosen]
    contrasts = [(_contrast(full, x, y, read), x, y) for x, y in _grid_places(size)]
    ranked = sorted(contrasts, key=lambda place: -place[0])
    return [(x, y) for _, x, y in ranked[:NUM_SPOTS]]


def _grid_places(size: tuple[int, int]) -> Iterator[tuple[float, float]]:
    num = 2 * SPOT_GRID
    for row in range(num):
        for column in range(num):
            yield (column + 0.5) * size[0] / num, (row + 0.5) * size[1] / num


def _contrast(full: Level, x: float, y: float, read: ReadGray) -> float:
    side = 4 * SPOT_PX
    pixels = read(full, x - side / 2, y - side / 2, side, side)
    return -1.0 if pixels is None else float(pixels.std())
