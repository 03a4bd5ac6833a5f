"""No slide is in two folds if there are enough slides; otherwise stripes may be folds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.training_fields.folds import split_folds
from service.training_fields.types import PlannedField


def field(slide: int, x: int = 0, y: int = 0, num_cells: int = 1) -> PlannedField:
    return PlannedField(slide, x, y, 100, 100, (100, 100), np.arange(num_cells))


fields = st.lists(
    st.builds(field, st.integers(0, 5), st.integers(0, 9), st.integers(0, 9), st.integers(0, 40)),
    min_size=1,
    max_size=40,
)


@given(fields, st.integers(1, 6))
def test_no_slide_lies_in_two_folds_and_none_is_empty(
    planned: list[PlannedField], num_folds: int
) -> None:
    planned.sort(key=lambda field: field.slide)
    folds = split_folds(planned, num_folds)
    slides = {field.slide for field in planned}
    pairs = {(field.slide, fold) for field, fold in zip(planned, folds.fold, strict=True)}
    assert len(pairs) == len(slides)
    assert set(folds.fold) == set(range(min(num_folds, len(slides))))
    assert ("--split-within-slides" in folds.rule) == (len(slides) < num_folds)


@given(fields, st.integers(2, 6))
def test_stripes_are_used_on_request_and_none_is_empty(
    planned: list[PlannedField], num_folds: int
) -> None:
    planned.sort(key=lambda field: field.slide)
    folds = split_folds(planned, num_folds, splits_within_slides=True)
    slides = {field.slide for field in planned}
    has_enough = len(slides) >= num_folds
    assert folds.rule.startswith("by slide" if has_enough else "by stripe")
    per_slide = max(sum(field.slide == slide for field in planned) for slide in slides)
    expected = num_folds if has_enough else min(num_folds, per_slide)
    assert set(folds.fold) == set(range(expected))


def test_stripes_lie_along_the_longer_side_and_share_the_cells() -> None:
    planned = [field(0, x, y) for x in range(0, 800, 100) for y in (0, 100)]
    folds = split_folds(planned, 4, splits_within_slides=True)
    assert list(folds.fold) == [x // 4 for x in range(16)]
    assert "optimistically biased" in folds.rule


def test_slides_are_distributed_by_number_of_cells() -> None:
    planned = [field(0, num_cells=90), *(field(slide, num_cells=30) for slide in (1, 2, 3))]
    assert split_folds(planned, 2).fold == (0, 1, 1, 1)
