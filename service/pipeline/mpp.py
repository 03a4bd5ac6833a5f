"""Finds a slide's µm per px, and refuses what no scanner does or what contradicts the slide.

Owns the limits of µm/px, wherever it comes from; what a slide may measure is `dimensions.py`'s.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import openslide

from service.errors import MppImplausibleError, MppMissingError, PixelsNotSquareError
from service.pipeline.container.ome import read_ome
from service.pipeline.types import MppSource

#: µm/px of slide scanners: 100x oil on a 6.5 µm camera is 0.065, 40x 0.22 to 0.28, 20x 0.23 to
#: 0.55, 10x 0.65 to 1, 5x up to 2. Narrow enough that ten times too much or too little falls
#: outside for every common scan: 0.22 to 0.55.
MIN_MPP, MAX_MPP = 0.06, 2.0
#: Objective power times µm/px of common scanners: 40 x 0.25, 20 x 0.5.
POWER_TIMES_MPP = 10.0
#: The same of all: from 4.6 (20x at 0.23 with small camera pixels or a magnification changer) to
#: 20 (halved to 0.5, 40x left standing). Inch taken for cm (a factor of 2.54) falls outside.
MIN_POWER_TIMES_MPP, MAX_POWER_TIMES_MPP = 4.4, 21.0
#: Above this, a cell's width and height are no longer measured alike; 0.2425 x 0.2426 is common.
MAX_SIDES_DIFFERENCE = 0.02
#: OME's own figures and TIFF's tags are written by one program and differ by rounding alone.
MAX_OME_DIFFERENCE = 0.02
#: By more than this factor a person does not overrule a plausible statement of the slide: 40x taken
#: for 10x is not a correction but a slip.
MAX_GIVEN_FACTOR = 4.0
GIVE_MPP = "give the right one as mpp=, e.g. mpp=0.25 for a 40x scan"


@dataclass(frozen=True)
class StatedScale:
    """What a slide says of its scale, None where it says nothing.

    Attributes:
        mpp_xy: µm per level-0 px in x and y.
        ome_mpp_xy: the same of its OME-XML, which OpenSlide does not read.
        power: of the objective.
    """

    mpp_xy: tuple[float, float] | None
    ome_mpp_xy: tuple[float, float] | None
    power: float | None

    @property
    def mpps(self) -> list[float]:
        """Means of x and y, of all statements, OpenSlide's first."""
        return [sum(xy) / 2 for xy in (self.mpp_xy, self.ome_mpp_xy) if xy is not None]


def find_mpp(
    properties: Mapping[str, str],
    given: float | None,
    fits_glass: Callable[[float], bool] = lambda mpp: True,
) -> tuple[float, MppSource]:
    """µm per level-0 px, and where that figure comes from.

    Args:
        properties: OpenSlide's, of the slide.
        given: µm/px that a person states, overriding the slide's.
        fits_glass: whether a slide of so many px could lie on glass at a µm/px; a statement by
            which it could not does not stand against what is given.

    Raises:
        MppMissingError: nobody states it.
        MppImplausibleError: no scanner does it, two statements contradict each other, or what is
            given is far from a plausible statement of the slide.
        PixelsNotSquareError: the slide states other µm/px in x than in y.
    """
    stated = read_scale(properties)
    _check_square(stated)
    if given is not None:
        check_given_mpp(given)
        _check_given_agrees(given, stated)
        _check_given_near(given, stated, fits_glass)
        return given, "request"
    if stated.mpps:
        _check_stated(stated)
        return stated.mpps[0], "slide"
    if stated.power:
        mpp = POWER_TIMES_MPP / stated.power
        _check_range(mpp, f"the slide states an objective power of {stated.power:g}x, so")
        return mpp, "objective-power"
    raise MppMissingError(
        "the slide does not state its µm per pixel: give it as mpp=, e.g. mpp=0.25 for a 40x scan"
    )


def check_given_mpp(mpp: float) -> None:
    """Passes a µm/px that scanners do.

    Raises:
        MppImplausibleError: it lies outside of that.
    """
    if not MIN_MPP <= mpp <= MAX_MPP:
        raise MppImplausibleError(
            f"mpp={mpp:g} is not what scanners do, {MIN_MPP:g} to {MAX_MPP:g} µm per pixel: "
            f"{GIVE_MPP}"
        )


def read_scale(properties: Mapping[str, str]) -> StatedScale:
    """What a slide's properties say of its scale; 0 and what is no number count as unsaid."""
    ome = read_ome(properties.get(openslide.PROPERTY_NAME_COMMENT, ""))
    power = _number(properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER))
    mpp_x = _number(properties.get(openslide.PROPERTY_NAME_MPP_X))
    mpp_y = _number(properties.get(openslide.PROPERTY_NAME_MPP_Y))
    return StatedScale(
        mpp_xy=(mpp_x, mpp_y) if mpp_x and mpp_y else None,
        ome_mpp_xy=(ome.mpp_x, ome.mpp_y) if ome and ome.mpp_x and ome.mpp_y else None,
        power=power or (ome.power if ome else None),
    )


def _check_square(stated: StatedScale) -> None:
    for x, y in filter(None, (stated.mpp_xy, stated.ome_mpp_xy)):
        if abs(x - y) > MAX_SIDES_DIFFERENCE * min(abs(x), abs(y)):
            raise PixelsNotSquareError(
                f"the slide's pixels are not square: it states {x:g} µm per pixel in x and {y:g} "
                "in y: resample it to square pixels (for example `vips resize` with --vscale), or "
                "correct its statement where that is wrong"
            )


def _check_stated(stated: StatedScale) -> None:
    for mpp in stated.mpps:
        _check_range(mpp, "the slide states")
    mpp, other = stated.mpps[0], stated.mpps[-1]
    if stated.power and not _agree_with_power(mpp, stated.power):
        raise MppImplausibleError(
            f"the slide states {mpp:g} µm per pixel, but an objective power of {stated.power:g}x, "
            f"which gives about {POWER_TIMES_MPP / stated.power:g}: {GIVE_MPP}"
        )
    if not math.isclose(mpp, other, rel_tol=MAX_OME_DIFFERENCE):
        raise MppImplausibleError(
            f"the slide states {mpp:g} µm per pixel in its TIFF tags, but {other:g} in its "
            f"OME-XML: {GIVE_MPP}"
        )


def _check_range(mpp: float, who: str) -> None:
    if not MIN_MPP <= mpp <= MAX_MPP:
        raise MppImplausibleError(
            f"{who} {mpp:g} µm per pixel, which is not what scanners do ({MIN_MPP:g} to "
            f"{MAX_MPP:g}): {GIVE_MPP}"
        )


def _check_given_agrees(given: float, stated: StatedScale) -> None:
    """A person decides between statements that differ, but does not overrule the objective alone.

    So a slide whose µm/px and power contradict each other can be analysed, and mpp=2.5 for 0.25 is
    seen where the objective is known.
    """
    if not stated.power or _agree_with_power(given, stated.power):
        return
    if any(0.5 <= given / mpp <= 2 for mpp in stated.mpps):
        return
    raise MppImplausibleError(
        f"mpp={given:g} contradicts the slide, which states an objective power of "
        f"{stated.power:g}x, about {POWER_TIMES_MPP / stated.power:g} µm per pixel: {GIVE_MPP}"
    )


def _check_given_near(
    given: float, stated: StatedScale, fits_glass: Callable[[float], bool]
) -> None:
    """What the slide states counts where it would do without a person."""
    if not stated.mpps or not fits_glass(stated.mpps[0]):
        return
    try:
        _check_stated(stated)
    except MppImplausibleError:
        return
    mpp = stated.mpps[0]
    if max(given / mpp, mpp / given) > MAX_GIVEN_FACTOR:
        raise MppImplausibleError(
            f"mpp={given:g} contradicts the slide, which states {mpp:g} µm per pixel, by more than "
            f"a factor of {MAX_GIVEN_FACTOR:g}: leave mpp= out, or give one nearer to that"
        )


def _agree_with_power(mpp: float, power: float) -> bool:
    return MIN_POWER_TIMES_MPP <= mpp * power <= MAX_POWER_TIMES_MPP


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value != 0 else None
