"""Reads the few facts of OME-XML that matter: planes, µm per px, and the objective.

OpenSlide reads none of them; refusing what they say is left to `focus.py` and `mpp.py`.
"""

from dataclasses import dataclass
from xml.etree import ElementTree

#: OME's units of length in µm; it means µm where none is given.
UNITS_UM = {
    "µm": 1.0,
    "\u03bcm": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "Å": 1e-4,
    "in": 25400.0,
}


@dataclass(frozen=True)
class OmeFacts:
    """Of the first image, which is the one that OpenSlide reads.

    Attributes:
        size_z: focal planes.
        mpp_x, mpp_y: µm per px, None where not stated, or in a unit that is no length.
        power: nominal magnification of the first objective, None where not stated.
    """

    size_z: int
    mpp_x: float | None
    mpp_y: float | None
    power: float | None


def read_ome(description: str) -> OmeFacts | None:
    """The facts of a TIFF's description; None where it is no OME-XML."""
    if "<OME" not in description and ":OME" not in description:
        return None
    try:
        root = ElementTree.fromstring(description)
    except ElementTree.ParseError:
        return None
    pixels = root.find(".//{*}Pixels")
    objective = root.find(".//{*}Objective")
    if pixels is None:
        return None
    magnification = objective.get("NominalMagnification") if objective is not None else None
    return OmeFacts(
        int(_number(pixels.get("SizeZ")) or 1),
        _length_um(pixels, "PhysicalSizeX"),
        _length_um(pixels, "PhysicalSizeY"),
        _number(magnification),
    )


def _length_um(pixels: ElementTree.Element, name: str) -> float | None:
    value, unit_um = _number(pixels.get(name)), UNITS_UM.get(pixels.get(f"{name}Unit", "µm"))
    return None if value is None or unit_um is None else value * unit_um


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
