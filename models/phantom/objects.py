"""The appearance of phantom objects: optical density on a patch, with each class's features.

Source of the sizes: the Bethesda System 2014 (nuclear area of ASC-US 2.5 to 3 times, of LSIL more
than 3 times an intermediate cell's 35 µm²; HSIL and ASC-H are smaller cells of high N:C ratio).
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.phantom.layout import PhantomObject
from models.phantom.shapes import FloatImage, draw_outline, grain, rim

#: Optical densities (red, green, blue) of the Papanicolaou stain at full strength.
HAEMATOXYLIN = np.array([0.48, 0.56, 0.28], np.float32)
CYANOPHILIC = np.array([0.62, 0.26, 0.22], np.float32)
EOSINOPHILIC = np.array([0.10, 0.48, 0.40], np.float32)
ORANGEOPHILIC = np.array([0.10, 0.55, 1.30], np.float32)
#: Half side of a patch: no object reaches farther from its centre.
REACH_UM = 40.0


@dataclass(frozen=True)
class Appearance:
    """Ranges from which cells of a class are drawn.

    Attributes:
        nucleus_um2, cell_um2: areas.
        nucleus_strength: of haematoxylin.
        coarseness: relative strength of chromatin grains.
        irregularity: of the nuclear outline.
        elongation: of the nucleus, and less so of the cell.
        stain: shares of cyanophilic, eosinophilic and orangeophilic cytoplasm.
        cell_strength: of the cytoplasm's stain.
        halo: probability of a halo around the nucleus.
    """

    nucleus_um2: tuple[float, float]
    cell_um2: tuple[float, float]
    nucleus_strength: tuple[float, float]
    coarseness: float
    irregularity: float
    elongation: tuple[float, float]
    stain: tuple[float, float, float]
    cell_strength: tuple[float, float]
    halo: float = 0.0


APPEARANCES: dict[str, Appearance] = {
    "NILM": Appearance(
        (20, 46), (900, 1600), (0.75, 1.15), 0.10, 0.03, (1.0, 1.25), (0.5, 0.4, 0.1), (0.25, 0.6)
    ),
    "ASC-US": Appearance(
        (80, 110), (800, 1500), (0.80, 1.1), 0.16, 0.06, (1.0, 1.35), (0.5, 0.4, 0.1), (0.3, 0.65)
    ),
    "LSIL": Appearance(
        (120, 190),
        (800, 1500),
        (0.95, 1.3),
        0.22,
        0.13,
        (1.0, 1.5),
        (0.4, 0.45, 0.15),
        (0.4, 0.8),
        halo=0.75,
    ),
    "ASC-H": Appearance(
        (62, 88), (150, 240), (0.90, 1.2), 0.20, 0.10, (1.0, 1.4), (0.75, 0.2, 0.05), (0.5, 0.9)
    ),
    "HSIL": Appearance(
        (90, 135), (150, 230), (1.25, 1.7), 0.36, 0.15, (1.0, 1.5), (0.8, 0.15, 0.05), (0.5, 0.9)
    ),
    "SCC": Appearance(
        (95, 180), (350, 800), (1.7, 2.3), 0.30, 0.17, (1.4, 2.6), (0.05, 0.2, 0.75), (0.6, 1.0)
    ),
}


def draw_object(
    phantom_object: PhantomObject, mpp: float, nudge_xy: tuple[float, float]
) -> FloatImage:
    """Optical density of an object, (S, S, 3) float32, its centre in the middle of the patch.

    Args:
        phantom_object: to draw.
        mpp: µm/px.
        nudge_xy: sub-pixel position of the centre, px in [0, 1).
    """
    rng = np.random.default_rng(phantom_object.seed)
    half = int(np.ceil(REACH_UM / mpp))
    centre = (half + nudge_xy[0], half + nudge_xy[1])
    draw: Callable[..., FloatImage] = {"debris": _draw_debris, "inflammatory": _draw_polymorph}.get(
        phantom_object.kind, _draw_cell
    )
    return draw(phantom_object.kind, 2 * half, centre, mpp, rng)


def _draw_cell(
    kind: str, side: int, centre: tuple[float, float], mpp: float, rng: np.random.Generator
) -> FloatImage:
    appearance = APPEARANCES[kind]
    nucleus_um2 = rng.uniform(*appearance.nucleus_um2)
    elongation = rng.uniform(*appearance.elongation)
    angle = float(rng.uniform(0, np.pi))
    radius_px = float(np.sqrt(nucleus_um2 / np.pi) / mpp)
    nucleus = draw_outline(
        side,
        centre,
        radius_px,
        rng,
        roughness=appearance.irregularity,
        elongation=elongation,
        angle=angle,
    )
    cell = _draw_cytoplasm(appearance, side, centre, mpp, rng, elongation, angle)
    if rng.random() < appearance.halo:
        cell = _clear_halo(cell, side, centre, radius_px, rng)
    strength = rng.uniform(*appearance.nucleus_strength)
    return cell + _draw_chromatin(nucleus, appearance.coarseness, float(strength), mpp, rng)


def _draw_cytoplasm(
    appearance: Appearance,
    side: int,
    centre: tuple[float, float],
    mpp: float,
    rng: np.random.Generator,
    elongation: float,
    angle: float,
) -> FloatImage:
    area_um2 = rng.uniform(*appearance.cell_um2)
    radius_px = float(np.sqrt(area_um2 / np.pi) / mpp)
    is_large = area_um2 > 500
    drift = 0.22 * radius_px if is_large else 0.08 * radius_px
    at = (centre[0] + rng.normal(0, drift * 0.6), centre[1] + rng.normal(0, drift * 0.6))
    outline = draw_outline(
        side,
        at,
        radius_px,
        rng,
        roughness=0.16 if is_large else 0.08,
        elongation=1 + (elongation - 1) * 0.7,
        corners=0.09 if is_large else 0.02,
        angle=angle,
    )
    thickness = 1 + 0.18 * grain(side, 9 / mpp, rng) + 0.10 * grain(side, 1.2 / mpp, rng)
    thickness += 0.35 * rim(outline, 1.2 / mpp)
    if is_large and rng.random() < 0.4:
        thickness += _draw_fold(side, at, radius_px, mpp, rng)
    stains = np.stack([CYANOPHILIC, EOSINOPHILIC, ORANGEOPHILIC])
    chosen = int(rng.choice(3, p=appearance.stain))
    hue = 0.85 * stains[chosen] + 0.15 * stains[int(rng.integers(3))]
    strength = rng.uniform(*appearance.cell_strength)
    density: FloatImage = (outline * np.clip(thickness, 0.2, 3) * strength)[..., None] * hue
    return density.astype(np.float32)


def _draw_fold(
    side: int, at: tuple[float, float], radius_px: float, mpp: float, rng: np.random.Generator
) -> FloatImage:
    line = np.zeros((side, side), np.float32)
    start, end = (
        (
            round(at[0] + radius_px * np.cos(turn) * 0.8),
            round(at[1] + radius_px * np.sin(turn) * 0.8),
        )
        for turn in rng.uniform(0, 6.3, 2)
    )
    cv2.line(line, start, end, 0.9, max(1, round(1.5 / mpp)))
    return np.asarray(cv2.GaussianBlur(line, (0, 0), 0.6 / mpp), np.float32)


def _clear_halo(
    cell: FloatImage,
    side: int,
    centre: tuple[float, float],
    nucleus_radius_px: float,
    rng: np.random.Generator,
) -> FloatImage:
    """A koilocyte: an optically clear cavity around the nucleus with a dense, sharp edge."""
    halo = draw_outline(side, centre, nucleus_radius_px * rng.uniform(1.6, 2.1), rng, roughness=0.1)
    edge = np.clip(cv2.GaussianBlur(halo, (0, 0), 3.0) - halo, 0, 1)
    cleared: FloatImage = cell * (1 - 0.8 * halo + 1.2 * edge)[..., None]
    return cleared


def _draw_chromatin(
    nucleus: FloatImage, coarseness: float, strength: float, mpp: float, rng: np.random.Generator
) -> FloatImage:
    side = len(nucleus)
    texture = 1 + coarseness * grain(side, 0.9 / mpp, rng) + 0.06 * grain(side, 3 / mpp, rng)
    texture += 0.25 * rim(nucleus, 0.5 / mpp)
    density: FloatImage = (nucleus * np.clip(texture, 0.3, 2) * strength)[..., None] * HAEMATOXYLIN
    return density


def _draw_polymorph(
    kind: str, side: int, centre: tuple[float, float], mpp: float, rng: np.random.Generator
) -> FloatImage:
    """A neutrophil: two to four small dark lobes close together, hardly any cytoplasm."""
    lobes = np.zeros((side, side), np.float32)
    turn = rng.uniform(0, 6.3)
    for _ in range(int(rng.integers(2, 5))):
        turn += rng.uniform(1.2, 2.4)
        away = rng.uniform(1.2, 2.4) / mpp
        at = (centre[0] + away * np.cos(turn), centre[1] + away * np.sin(turn))
        lobe = draw_outline(side, at, rng.uniform(1.1, 1.8) / mpp, rng, roughness=0.1)
        lobes = np.maximum(lobes, lobe)
    body = draw_outline(side, centre, rng.uniform(4.0, 5.2) / mpp, rng, roughness=0.1)
    strength = float(rng.uniform(1.5, 2.2))
    return _draw_chromatin(lobes, 0.15, strength, mpp, rng) + np.float32(0.12) * (
        body[..., None] * CYANOPHILIC
    )


def _draw_debris(
    kind: str, side: int, centre: tuple[float, float], mpp: float, rng: np.random.Generator
) -> FloatImage:
    """Anucleate squames, red cells, bacteria and shreds of mucus."""
    kind_draw = rng.random()
    if kind_draw < 0.3:
        appearance = APPEARANCES["NILM"]
        return 0.7 * _draw_cytoplasm(
            appearance, side, centre, mpp, rng, 1.2, float(rng.uniform(0, 3))
        )
    if kind_draw < 0.6:
        disc = draw_outline(side, centre, rng.uniform(3.0, 3.8) / mpp, rng, roughness=0.05)
        return (disc * rng.uniform(0.35, 0.6)).astype(np.float32)[..., None] * (
            0.5 * ORANGEOPHILIC + 0.5 * EOSINOPHILIC
        )
    if kind_draw < 0.8:
        specks = np.zeros((side, side), np.float32)
        for x, y in rng.normal(0, 7 / mpp, (int(rng.integers(5, 40)), 2)):
            at = (round(centre[0] + x), round(centre[1] + y))
            cv2.circle(specks, at, int(rng.integers(1, 3)), float(rng.uniform(0.3, 0.9)), -1)
        soft = np.asarray(cv2.GaussianBlur(specks, (0, 0), 0.8), np.float32)
        return soft[..., None] * HAEMATOXYLIN
    return _draw_strand(side, centre, mpp, rng)


def _draw_strand(
    side: int, centre: tuple[float, float], mpp: float, rng: np.random.Generator
) -> FloatImage:
    line = np.zeros((side, side), np.float32)
    steps = np.cumsum(rng.normal(0, 3 / mpp, (14, 2)), axis=0)
    points = np.asarray(centre) + steps - steps.mean(axis=0)
    points = np.clip(points, 4, side - 4).astype(np.int32)
    cv2.polylines(line, [points[:, None]], False, 1.0, max(1, round(0.8 / mpp)))
    soft = cv2.GaussianBlur(line, (0, 0), 0.8 / mpp) * np.float32(rng.uniform(0.2, 0.5))
    strand: NDArray[np.float32] = soft[..., None] * (0.6 * CYANOPHILIC + 0.4 * HAEMATOXYLIN)
    return strand
