"""Outlines and textures that cells are made of, on a small patch around one cell.

Patches are square, (S, S), in px at the phantom's µm/px.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]

#: Sub-pixel bits of OpenCV's polygon drawing.
SHIFT = 4


def draw_outline(
    side: int,
    centre_xy: tuple[float, float],
    radius_px: float,
    rng: np.random.Generator,
    *,
    roughness: float,
    elongation: float = 1.0,
    corners: float = 0.0,
    angle: float | None = None,
) -> FloatImage:
    """A filled closed outline, 1 inside and 0 outside, soft by a pixel at the edge.

    Args:
        side: S.
        centre_xy: px.
        radius_px: of the circle of the same area.
        rng: source of the outline's waves.
        roughness: relative amplitude of waves of two to nine a turn.
        elongation: long axis over short axis.
        corners: relative amplitude of the three to six corners of a polygonal cell.
        angle: of the long axis; random if None.
    """
    theta = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    radius = np.ones_like(theta)
    for order in range(2, 10):
        radius += roughness * rng.normal() / order * np.cos(order * theta + rng.uniform(0, 6.3))
    if corners:
        order = int(rng.integers(3, 7))
        radius += corners * np.cos(order * theta + rng.uniform(0, 6.3))
    radius = np.clip(radius, 0.45, 1.8)
    stretch = np.sqrt(elongation)
    x, y = radius * np.cos(theta) * stretch, radius * np.sin(theta) / stretch
    turn = rng.uniform(0, np.pi) if angle is None else angle
    points = np.stack(
        [
            centre_xy[0] + radius_px * (x * np.cos(turn) - y * np.sin(turn)),
            centre_xy[1] + radius_px * (x * np.sin(turn) + y * np.cos(turn)),
        ],
        axis=1,
    )
    mask = np.zeros((side, side), np.uint8)
    scaled = np.round(points * (1 << SHIFT)).astype(np.int32)
    cv2.fillPoly(mask, [scaled[:, None]], 255, cv2.LINE_AA, SHIFT)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.7)
    return np.asarray(soft, np.float32) / np.float32(255)


def grain(side: int, size_px: float, rng: np.random.Generator) -> FloatImage:
    """Smooth noise of about unit standard deviation with grains of `size_px`, (S, S)."""
    coarse_side = max(2, int(np.ceil(side / max(size_px, 1.0))) + 1)
    coarse = rng.standard_normal((coarse_side, coarse_side), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def rim(mask: FloatImage, width_px: float) -> FloatImage:
    """The inner edge of a mask, about 1 at its border and 0 within and without, (S, S)."""
    inner = cv2.GaussianBlur(mask, (0, 0), width_px)
    edge: FloatImage = mask * np.clip(1.6 * (1 - inner), 0, 1)
    return edge
