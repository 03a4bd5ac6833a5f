"""Positions of the objects on a phantom: cells, inflammatory cells and debris, all from the seed.

Positions are in µm from the slide's top left corner; `objects.py` draws them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.classes import BETHESDA

#: Nuclei closer than this would merge into a dark blot.
MIN_NUCLEUS_DISTANCE_UM = 13.0
#: So that every nucleus and its 20.4 µm square lie wholly on the slide.
EDGE_UM = 11.0
#: Share of the slide's area where cells may lie; the rest stays empty, as preparations do.
COVERED_SHARE = 0.75
LABEL_OF = {cell_class.name: label for label, cell_class in enumerate(BETHESDA)}


@dataclass(frozen=True)
class PhantomObject:
    """A cell, inflammatory cell or piece of debris to draw.

    Attributes:
        kind: a Bethesda class name, "inflammatory" or "debris".
        x_um, y_um: its centre.
        seed: fixes how it looks.
    """

    kind: str
    x_um: float
    y_um: float
    seed: tuple[int, int]


def lay_out(
    seed: int, width_um: float, height_um: float, num_cells: int, mix: Mapping[str, float]
) -> list[PhantomObject]:
    """All objects of a slide in drawing order: debris, cells, inflammatory cells."""
    rng = np.random.default_rng([seed, 1])
    names = [name for name, share in mix.items() if share > 0]
    shares = np.array([mix[name] for name in names])
    counts = _apportion(num_cells, shares / shares.sum())
    kinds = rng.permutation(np.repeat(np.arange(len(names)), counts))
    cells = _scatter(rng, num_cells, width_um, height_um)
    kinds = kinds[: len(cells)]
    area_mm2 = width_um * height_um / 1e6
    spots = _near(rng, cells, int(rng.poisson(max(len(cells) * 0.5, area_mm2 * 20))), 60.0)
    specks = _near(rng, cells, int(rng.poisson(len(cells) * 0.3 + area_mm2 * 10)), 150.0)
    objects = [("debris", x, y) for x, y in specks]
    objects += [(names[kind], x, y) for kind, (x, y) in zip(kinds, cells, strict=True)]
    objects += [("inflammatory", x, y) for x, y in _away_from(spots, cells, 11.0)]
    return [
        PhantomObject(kind, float(x), float(y), (seed, index + 2))
        for index, (kind, x, y) in enumerate(objects)
        if kind in LABEL_OF or (0 < x < width_um and 0 < y < height_um)
    ]


def _apportion(total: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts by share that sum to `total`, by the largest remainder method."""
    exact = total * shares
    counts = np.floor(exact).astype(np.int64)
    for index in np.argsort(counts - exact, kind="stable")[: total - counts.sum()]:
        counts[index] += 1
    return counts


def _scatter(
    rng: np.random.Generator, num_cells: int, width_um: float, height_um: float
) -> NDArray[np.float64]:
    """(num_cells, 2) nucleus centres, some in groups, none closer than the minimum distance."""
    taken: dict[tuple[int, int], list[tuple[float, float]]] = {}
    placed: list[tuple[float, float]] = []
    spread = np.array([width_um, height_um])
    # Cells lie in a disc that leaves the corners empty; on small or crowded fields, everywhere.
    roomy = num_cells * 2500 < width_um * height_um * COVERED_SHARE
    misses = 0
    while len(placed) < num_cells:
        if placed and rng.random() < 0.35 and misses < 30:
            middle = placed[int(rng.integers(len(placed)))]
            x, y = np.array(middle) + rng.normal(0, 28, 2)
        else:
            x, y = rng.uniform(EDGE_UM, spread - EDGE_UM)
            inside = np.hypot(x / width_um - 0.5, y / height_um - 0.5) < 0.49
            if roomy and not inside and misses < 200:
                misses += 1
                continue
        fits = EDGE_UM <= x <= width_um - EDGE_UM and EDGE_UM <= y <= height_um - EDGE_UM
        min_distance_um = MIN_NUCLEUS_DISTANCE_UM * (0.7 if misses > 500 else 1.0)
        if not fits or _is_close(taken, x, y, min_distance_um):
            misses += 1
            if misses > 20_000:
                break
            continue
        misses = 0
        placed.append((float(x), float(y)))
        taken.setdefault(_bucket(x, y), []).append((float(x), float(y)))
    return np.array(placed).reshape(-1, 2)


def _bucket(x: float, y: float) -> tuple[int, int]:
    return int(x // MIN_NUCLEUS_DISTANCE_UM), int(y // MIN_NUCLEUS_DISTANCE_UM)


def _is_close(
    taken: dict[tuple[int, int], list[tuple[float, float]]],
    x: float,
    y: float,
    min_distance_um: float,
) -> bool:
    column, row = _bucket(x, y)
    return any(
        (x - other_x) ** 2 + (y - other_y) ** 2 < min_distance_um**2
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
        for other_x, other_y in taken.get((column + dx, row + dy), ())
    )


def _near(
    rng: np.random.Generator, cells: NDArray[np.float64], count: int, spread_um: float
) -> NDArray[np.float64]:
    if not len(cells) or not count:
        return np.zeros((0, 2))
    around = cells[rng.integers(len(cells), size=count)]
    moved: NDArray[np.float64] = around + rng.normal(0, spread_um, (count, 2))
    return moved


def _away_from(
    spots: NDArray[np.float64], cells: NDArray[np.float64], min_distance_um: float
) -> NDArray[np.float64]:
    from scipy.spatial import cKDTree

    if not len(spots) or not len(cells):
        return spots
    distance, _ = cKDTree(cells).query(spots)
    distant_spots: NDArray[np.float64] = spots[distance > min_distance_um]
    return distant_spots
