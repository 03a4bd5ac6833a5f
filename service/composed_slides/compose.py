"""Composes slides by drawing pieces with replacement: of how many cells, and how many abnormal.

A slide comes from one patient and one staining run: it draws from few fields under one
augmentation, so that its errors go together, as they do on real slides. Shape letters: S slides,
P pieces, C classes, Q certainty powers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.classes import CellClass
from service.composed_slides.pieces import CLEAN, Pieces
from service.errors import DatasetError

NUM_CELLS = (30, 20_000)
ABNORMAL_SHARE = (0.005, 0.5)
#: Fields that one slide draws its normal cells from, and those of each abnormal class. With fewer,
#: one false alarm on one of 20 cells would become a slide of 5 % false alarms.
CLEAN_FIELDS, ANCHORED_FIELDS = 12, 3
#: Fewer cells per clean piece, and a slide would be bare glass.
MIN_MEAN_CELLS = 0.3


@dataclass(frozen=True)
class SlideSpec:
    """A slide to compose.

    Attributes:
        num_cells: labelled cells, about.
        abnormal_share: of them, about; 0 for a slide without abnormal cells.
    """

    num_cells: int
    abnormal_share: float


@dataclass(frozen=True)
class ComposedSlides:
    """S slides.

    Attributes:
        specs: of each.
        true: (S, C) int64, labelled cells by class.
        detected: (S, C) int64, what the detector counts.
        mass: (Q, S, C) float64, sums of score ** power over these, for each power.
        powers: Q certainty powers.
    """

    specs: tuple[SlideSpec, ...]
    true: NDArray[np.int64]
    detected: NDArray[np.int64]
    mass: NDArray[np.float64]
    powers: tuple[float, ...]

    @cached_property
    def is_abnormal(self) -> NDArray[np.bool_]:
        """(S,) whether any cell is to be abnormal."""
        return self.abnormal_share > 0

    @cached_property
    def abnormal_share(self) -> NDArray[np.float64]:
        """(S,) as specified."""
        return np.array([spec.abnormal_share for spec in self.specs])

    @cached_property
    def num_cells(self) -> NDArray[np.int64]:
        """(S,) as specified."""
        return np.array([spec.num_cells for spec in self.specs])


def draw_specs(num_slides: int, rng: np.random.Generator) -> list[SlideSpec]:
    """Slides of every size and share, by their logarithm; half without abnormal cells."""
    specs = []
    for index in range(num_slides):
        share = float(np.exp(rng.uniform(*np.log(ABNORMAL_SHARE)))) if index % 2 else 0.0
        specs.append(SlideSpec(draw_size(share, rng), share))
    return specs


def draw_size(share: float, rng: np.random.Generator) -> int:
    """Cells of a slide on which such a share of them is at least one cell."""
    smallest = max(NUM_CELLS[0], 1 / share if share > 0 else 0)
    return round(float(np.exp(rng.uniform(*np.log((smallest, NUM_CELLS[1]))))))


def compose_slides(
    pieces: Pieces, classes: Sequence[CellClass], specs: Sequence[SlideSpec], seed: int
) -> ComposedSlides:
    """Slides as specified, counted without drawing them."""
    rng = np.random.default_rng(seed)
    true = np.zeros((len(specs), len(classes)), np.int64)
    detected = np.zeros_like(true)
    mass = np.zeros((len(pieces.mass), *true.shape))
    for index, spec in enumerate(specs):
        times = draw_pieces(pieces, classes, spec, rng)
        used = np.flatnonzero(times)
        augmentation = rng.integers(len(pieces.detected))
        true[index] = times[used] @ pieces.true[used]
        detected[index] = times[used] @ pieces.detected[augmentation, used]
        mass[:, index] = np.tensordot(times[used], pieces.mass[:, augmentation, used], (0, 1))
    return ComposedSlides(tuple(specs), true, detected, mass, pieces.powers)


def draw_pieces(
    pieces: Pieces, classes: Sequence[CellClass], spec: SlideSpec, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(P,) how many times each piece is on the slide."""
    times = np.zeros(len(pieces.anchor), np.int64)
    if spec.abnormal_share > 0:
        target = max(1, round(spec.num_cells * spec.abnormal_share))
        times += _draw_anchored(pieces, classes, target, rng)
    missing = spec.num_cells - int((times @ pieces.true).sum())
    if missing > 0:
        times += _draw_clean(pieces, missing, rng)
    return times


def _draw_anchored(
    pieces: Pieces, classes: Sequence[CellClass], target: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Pieces with about `target` abnormal cells, of a mix of grades."""
    abnormal = np.array([each.is_abnormal for each in classes])
    content = pieces.true[:, abnormal].sum(axis=1)
    times = np.zeros(len(pieces.anchor), np.int64)
    # A cell whose nucleus is marked outside the field lies in no piece.
    usable = (pieces.anchor != CLEAN) & (content > 0)
    if not usable.any():
        raise DatasetError(
            "no abnormal cell lies inside the fields, so that abnormal slides cannot be composed: "
            "give more fields"
        )
    grades = np.unique(pieces.anchor[usable])
    for grade, share in zip(grades, rng.dirichlet(np.full(len(grades), 0.5)), strict=True):
        of_grade = np.flatnonzero((pieces.anchor == grade) & usable)
        chosen = of_grade[_of_few_fields(pieces.field_index[of_grade], ANCHORED_FIELDS, rng)]
        # A piece that holds more than is asked for in all would spoil a small slide.
        fitting = chosen[content[chosen] <= max(target, content[chosen].min())]
        number = _round_by_chance(target * share / content[fitting].mean(), rng)
        times[fitting] += rng.multinomial(number, np.full(len(fitting), 1 / len(fitting)))
    if not times.any():
        single = np.flatnonzero(usable & (content == content[usable].min()))
        times[rng.choice(single)] = 1
    return times


def _draw_clean(pieces: Pieces, target: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Clean pieces with about `target` cells."""
    times = np.zeros(len(pieces.anchor), np.int64)
    clean = np.flatnonzero(pieces.anchor == CLEAN)
    chosen = clean[_of_few_fields(pieces.field_index[clean], CLEAN_FIELDS, rng)]
    mean = pieces.true[chosen].sum(axis=1).mean()
    if mean < MIN_MEAN_CELLS:  # the few drawn are sparse; all of them may not be
        chosen, mean = clean, pieces.true[clean].sum(axis=1).mean()
    if mean < MIN_MEAN_CELLS:
        raise DatasetError(
            "the clean parts of the fields hold next to no cells, so that negative slides cannot "
            "be composed: give more fields"
        )
    number = _round_by_chance(target / mean, rng)
    times[chosen] += rng.multinomial(number, np.full(len(chosen), 1 / len(chosen)))
    return times


def _of_few_fields(
    field_index: NDArray[np.int64], num_fields: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which entries are of one of a few fields drawn at random."""
    fields = np.flatnonzero(np.bincount(field_index))
    is_chosen = np.zeros(fields[-1] + 1, bool)
    is_chosen[rng.choice(fields, min(num_fields, len(fields)), replace=False)] = True
    return np.asarray(is_chosen[field_index])


def _round_by_chance(value: float, rng: np.random.Generator) -> int:
    return int(np.floor(value + rng.random()))
