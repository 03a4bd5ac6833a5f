"""Rare classes are drawn more often, and no field is lost."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.sampling import draw_epoch, repeat_factors


def test_fields_of_rare_classes_repeat_by_the_square_root() -> None:
    labels = [np.array([0], np.int16)] * 15 + [np.array([0, 1], np.int16)]
    factors = repeat_factors(labels, 2, threshold=0.25)
    assert factors[:15].tolist() == [1.0] * 15
    assert factors[15] == 2.0


def test_threshold_zero_repeats_nothing() -> None:
    labels = [np.array([0], np.int16), np.array([1], np.int16), np.zeros(0, np.int16)]
    assert repeat_factors(labels, 3, 0.0).tolist() == [1.0, 1.0, 1.0]


@given(st.lists(st.floats(1, 4), min_size=1, max_size=30), st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_every_field_is_drawn_as_often_as_its_factor_says(factors: list[float], seed: int) -> None:
    drawn = draw_epoch(np.array(factors), np.random.default_rng(seed))
    times = np.bincount(drawn, minlength=len(factors))
    assert (times >= np.floor(factors)).all()
    assert (times <= np.ceil(factors)).all()
