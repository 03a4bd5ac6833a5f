"""Composed slides hold about the cells asked for, and none abnormal where none was."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.classes import BETHESDA
from service.composed_slides.compose import (
    ABNORMAL_SHARE,
    NUM_CELLS,
    SlideSpec,
    compose_slides,
    draw_pieces,
    draw_specs,
)
from service.composed_slides.detected_fields import DetectedField
from service.composed_slides.pieces import CLEAN, Pieces, cut_pieces
from service.errors import DatasetError


def test_slides_to_draw_span_sizes_and_shares_and_half_are_negative() -> None:
    specs = draw_specs(400, np.random.default_rng(0))
    sizes = np.array([spec.num_cells for spec in specs])
    shares = np.array([spec.abnormal_share for spec in specs])
    assert (shares == 0).sum() == 200
    assert sizes.min() >= NUM_CELLS[0]
    assert sizes.max() <= NUM_CELLS[1]
    assert ((shares == 0) | ((shares >= ABNORMAL_SHARE[0]) & (shares <= ABNORMAL_SHARE[1]))).all()
    assert (sizes * shares >= (shares > 0) * 0.99).all()


@settings(deadline=None, max_examples=60)
@given(num_cells=st.integers(30, 3000), seed=st.integers(0, 10**6))
def test_negative_slides_hold_no_abnormal_cell(num_cells: int, seed: int) -> None:
    slides = compose_slides(HELD[0], BETHESDA, [SlideSpec(num_cells, 0.0)], seed)
    assert not slides.true[0, 1:].any()
    assert 0.5 * num_cells - 20 <= slides.true.sum() <= 1.5 * num_cells + 20


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_the_share_of_abnormal_cells_is_about_as_asked_for(pieces: Pieces, share: float) -> None:
    slides = compose_slides(pieces, BETHESDA, [SlideSpec(2000, share)] * 40, seed=1)
    true = slides.true[:, 1:].sum(axis=1) / slides.true.sum(axis=1)
    assert np.median(true) == pytest.approx(share, rel=0.15)


def test_a_small_slide_is_not_spoilt_by_a_piece_with_many_abnormal_cells(pieces: Pieces) -> None:
    slides = compose_slides(pieces, BETHESDA, [SlideSpec(100, 0.01)] * 50, seed=2)
    assert (slides.true[:, 1:].sum(axis=1) >= 1).all()
    assert np.median(slides.true[:, 1:].sum(axis=1)) <= 2


def test_composing_repeats_from_its_seed(pieces: Pieces) -> None:
    first, same, other = (
        draw_pieces(pieces, BETHESDA, SlideSpec(500, 0.1), np.random.default_rng(seed))
        for seed in (4, 4, 5)
    )
    assert (first == same).all()
    assert (first != other).any()


HELD: list[Pieces] = []


@pytest.fixture(autouse=True)
def _hold(pieces: Pieces) -> None:
    """Hypothesis runs a test many times within one use of a fixture; this one never changes."""
    HELD[:] = [pieces]


def mark_outside(detected: list[DetectedField], labels: tuple[int, ...]) -> list[DetectedField]:
    """The same fields with the nuclei of these classes marked left of the field."""
    changed = []
    for each in detected:
        centre = each.field.centre_xy.copy()
        centre[np.isin(each.field.label, labels), 0] = -50
        changed.append(replace(each, field=replace(each.field, centre_xy=centre)))
    return changed


def test_a_grade_whose_nuclei_are_marked_outside_the_fields_is_left_out(
    detected: list[DetectedField],
) -> None:
    slides = compose_slides(
        cut_pieces(mark_outside(detected, (5,)), BETHESDA),
        BETHESDA,
        [SlideSpec(300, 0.2)] * 20,
        seed=1,
    )
    assert (slides.true[:, 1:5].sum(axis=1) > 0).all()
    assert not slides.true[:, 5].any()


def test_without_an_abnormal_nucleus_inside_no_abnormal_slide_is_composed(
    detected: list[DetectedField],
) -> None:
    pieces = cut_pieces(mark_outside(detected, (1, 2, 3, 4, 5)), BETHESDA)
    with pytest.raises(DatasetError, match="no abnormal cell lies inside"):
        compose_slides(pieces, BETHESDA, [SlideSpec(300, 0.2)], seed=1)


def test_a_few_sparse_fields_do_not_spoil_a_slide(pieces: Pieces) -> None:
    true = pieces.true.copy()
    clean = pieces.anchor == CLEAN
    fields = np.unique(pieces.field_index[clean])
    true[clean & np.isin(pieces.field_index, fields[: len(fields) // 2])] = 0
    sparse = replace(pieces, true=true)
    slides = compose_slides(sparse, BETHESDA, [SlideSpec(1000, 0.0)] * 60, seed=3)
    assert slides.true.sum(axis=1) == pytest.approx(np.full(60, 1000), rel=0.5)
    true[clean] = 0
    with pytest.raises(DatasetError, match="next to no cells"):
        compose_slides(sparse, BETHESDA, [SlideSpec(1000, 0.0)], seed=3)
