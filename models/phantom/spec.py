"""The specification of a phantom slide, checked before anything is drawn."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from models.classes import BETHESDA
from models.errors import PhantomError

DEFAULT_MIX = {"NILM": 0.9, "ASC-US": 0.04, "LSIL": 0.03, "HSIL": 0.03}
MIN_SIDE_PX, MAX_SIDE_PX = 512, 400_000
#: Nuclei lie this far apart on average at the highest density that is still drawn.
MIN_AREA_PER_CELL_UM2 = 400.0


@dataclass(frozen=True)
class PhantomSpec:
    """A phantom slide.

    Attributes:
        seed: fixes every pixel.
        width, height: level-0 px.
        num_cells: squamous cells drawn.
        mix: shares by Bethesda class name; need not sum to 1.
        mpp: µm per level-0 px.
    """

    seed: int
    width: int
    height: int
    num_cells: int
    mix: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_MIX))
    mpp: float = 0.25

    def __post_init__(self) -> None:
        for name, side in (("width", self.width), ("height", self.height)):
            if not MIN_SIDE_PX <= side <= MAX_SIDE_PX:
                raise PhantomError(
                    f"{name} is {side} px, but must lie between {MIN_SIDE_PX} and {MAX_SIDE_PX}"
                )
        if self.seed < 0:
            raise PhantomError(f"seed is {self.seed}, but must not be negative")
        if not 0.1 <= self.mpp <= 1.0:
            raise PhantomError(f"mpp is {self.mpp}, but must lie between 0.1 and 1.0 µm/px")
        check_mix(self.mix)
        max_cells = int(self.width * self.height * self.mpp**2 / MIN_AREA_PER_CELL_UM2)
        if not 0 <= self.num_cells <= max_cells:
            raise PhantomError(
                f"{self.num_cells} cells do not fit on {self.width}x{self.height} px: "
                f"at most {max_cells} do"
            )


def check_mix(mix: Mapping[str, float]) -> None:
    """Refuses a mix of classes that cannot be drawn.

    Raises:
        PhantomError: a class is unknown, a share is negative or not finite, or all are zero.
    """
    known = [cell_class.name for cell_class in BETHESDA]
    for name, share in mix.items():
        if name not in known:
            raise PhantomError(f"class {name!r} cannot be drawn: known are {', '.join(known)}")
        if not (math.isfinite(share) and share >= 0):
            raise PhantomError(f"the share of {name} is {share}, but must be zero or more")
    if sum(mix.values()) <= 0:
        raise PhantomError("the mix has no share above zero, e.g. NILM=0.9,HSIL=0.1")


def parse_mix(text: str) -> dict[str, float]:
    """A mix written as `NILM=0.9,HSIL=0.1`.

    Raises:
        PhantomError: it is not of that form, or cannot be drawn.
    """
    mix: dict[str, float] = {}
    for part in text.split(","):
        name, equals, share = part.partition("=")
        try:
            mix[name.strip()] = float(share)
        except ValueError as error:
            raise PhantomError(f"{part!r} is not of the form NAME=SHARE, as in HSIL=0.1") from error
        if not equals:
            raise PhantomError(f"{part!r} is not of the form NAME=SHARE, as in HSIL=0.1")
    check_mix(mix)
    return mix
