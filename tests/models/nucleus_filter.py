"""A network of fixed filters that finds dark nuclei; what it says of a place depends on the pixels
nearby alone, never on the tile.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.detector import Detector
from models.inference.network_detector import NetworkDetector
from models.network.build import build_network
from tests.models.small_network import describe_network, make_model

STRIDE = 4
#: Px; pixels farther than half of it do not matter to a place.
WINDOW = 14
NUCLEUS_RADIUS_PX = 5
BACKGROUND_RGB, NUCLEUS_RGB = (205, 150, 190), ((60, 40, 120), (120, 40, 60))


class NucleusFilter:
    """Outputs of an FCOS head of two classes: bluish nuclei and reddish ones."""

    name = "filter"

    def run(self, pixels: NDArray[np.uint8]) -> list[Tensor]:
        """Class logits, distances to the sides of a box and centerness, each (B, ., h, w)."""
        rgb = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        dark = (rgb[:, 1:2] < 95).float()
        mass, to_x, to_y = _sum_windows(dark)
        red = _sum_windows(dark * (rgb[:, :1] > rgb[:, 2:]))[0] / mass.clamp(min=1)
        to_x, to_y = to_x / mass.clamp(min=1), to_y / mass.clamp(min=1)
        away = torch.hypot(to_x, to_y) / STRIDE
        # The place nearest the middle is the likeliest by a little, so that there are no ties.
        likely = (mass / (np.pi * NUCLEUS_RADIUS_PX**2)).clamp(0, 1) * (0.95 - 0.05 * away)
        class_score = torch.cat([likely * (1 - red), likely * red], dim=1) * (away < 0.75)
        reach = 1.5 * NUCLEUS_RADIUS_PX
        distance = torch.cat([reach - to_x, reach - to_y, reach + to_x, reach + to_y], dim=1)
        logit = torch.logit(class_score.clamp(min=0.001))
        return [logit, distance.clamp(min=0), torch.full_like(logit[:, :1], 10.0)]


def make_nucleus_detector(tile_size_px: int, **changes: Any) -> Detector:
    """A detector of it with tiles of that size."""
    changes = {"score_thresholds": (0.8, 0.8)} | changes
    spec = make_model().input.model_dump() | {"tile_size_px": tile_size_px, "overlap_px": 64}
    model = make_model(input=spec, network=describe_network(), **changes)
    return NetworkDetector(model, build_network(model.network), NucleusFilter())


def draw_nuclei(
    size: tuple[int, int], centre_xy: NDArray[np.float64], label: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """(height, width, 3) uint8: a stained field of (width, height) with nuclei at (N, 2) places."""
    width, height = size
    pixels = np.full((height, width, 3), BACKGROUND_RGB, np.uint8)
    reach = NUCLEUS_RADIUS_PX + 1
    for (x, y), kind in zip(centre_xy, label, strict=True):
        left, top = int(x) - reach, int(y) - reach
        part = pixels[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
        down, right = np.mgrid[: part.shape[0], : part.shape[1]]
        inside = np.hypot(right + left + 0.5 - x, down + top + 0.5 - y) < NUCLEUS_RADIUS_PX
        part[inside] = NUCLEUS_RGB[kind]
    return pixels


def scatter_nuclei(
    seed: int, size: tuple[int, int], spacing_px: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(N, 2) centres on a grid, each moved a little at random, and (N,) classes."""
    rng = np.random.default_rng(seed)
    axes = [np.arange(spacing_px, side - spacing_px, spacing_px) for side in size]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    return grid + rng.uniform(-1.5, 1.5, grid.shape), rng.integers(0, 2, len(grid))


def _sum_windows(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each place's sum over its window, and the sums weighted by x and by y from the place."""
    from_middle = torch.arange(WINDOW) - (WINDOW - 1) / 2
    across = from_middle.expand(WINDOW, WINDOW)
    kernels = torch.stack([torch.ones(WINDOW, WINDOW), across, across.T])[:, None]
    border = (WINDOW - STRIDE) // 2
    sums = functional.conv2d(values, kernels, stride=STRIDE, padding=border)
    return sums[:, :1], sums[:, 1:2], sums[:, 2:]
