"""Margins are the least that keep negative slides of every size low, shared out to find most."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.composed_slides.fit import TermForm
from service.composed_slides.margins import LOW_SHARE, MAX_MARGIN, Excess, choose_margins

PLAIN, SURER, FORM = TermForm((0.0, 1.0)), TermForm((0.0, 1.0), 2), TermForm((0.0, 0.5))
SIZES, SHARES, NUM_EACH = (30, 1000), (0.01, 0.1), 60


def make_excess(seed: int, severe_gain: float) -> Excess:
    """Evidence with more spread on large negative slides; abnormal ones gain in both terms."""
    rng = np.random.default_rng(seed)
    num_cells = np.repeat([*SIZES, 500, 500], NUM_EACH)
    share = np.repeat([0.0, 0.0, *SHARES], NUM_EACH)
    noise = np.where(num_cells > 100, 0.8, 0.3)
    return Excess(
        num_cells=num_cells,
        abnormal_share=share,
        share={PLAIN: rng.normal(-0.5 + 8 * share, noise)},
        severe={FORM: rng.normal(-0.5 + severe_gain * (share > 0), noise)},
    )


def low_by_size(excess: Excess, values: tuple[float, float], form: TermForm | None) -> list[float]:
    high = excess.share[PLAIN] > values[0]
    if form is not None:
        high |= excess.severe[form] > values[1]
    negative = excess.abnormal_share == 0
    return [float((~high)[negative & (excess.num_cells == size)].mean()) for size in SIZES]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), gain=st.floats(0, 3))
def test_enough_negative_slides_of_every_size_stay_low(seed: int, gain: float) -> None:
    excess = make_excess(seed, gain)
    margins = choose_margins(excess)
    assert min(low_by_size(excess, margins.values, margins.severe)) >= LOW_SHARE
    assert (
        margins.found_fraction
        >= choose_margins(Excess(**{**vars(excess), "severe": {}})).found_fraction
    )


def test_a_severe_term_is_taken_where_it_finds_more() -> None:
    assert choose_margins(make_excess(1, 3.0)).severe == FORM


def test_a_severe_term_of_noise_is_left_out() -> None:
    excess = make_excess(1, 0.0)
    noise = Excess(**{**vars(excess), "severe": {FORM: np.full(len(excess.num_cells), -9.0)}})
    assert choose_margins(noise).severe is None


def test_where_no_margin_suffices_the_first_term_has_the_largest() -> None:
    excess = make_excess(1, 3.0)
    loud = Excess(
        excess.num_cells,
        excess.abnormal_share,
        {PLAIN: excess.share[PLAIN] + 99},
        {FORM: excess.severe[FORM]},
    )
    margins = choose_margins(loud)
    assert margins.severe is None
    assert (margins.share, margins.values, margins.found_fraction) == (
        PLAIN,
        (MAX_MARGIN, 0.0),
        0.0,
    )


def test_a_surer_first_term_is_taken_only_where_it_finds_clearly_more() -> None:
    excess = make_excess(2, 0.0)
    plain = excess.share[PLAIN]
    gain = 2.0 * (excess.abnormal_share > 0)
    for surer, chosen in ((plain + gain, SURER), (plain + 1e-6, PLAIN)):
        both = Excess(
            excess.num_cells, excess.abnormal_share, {PLAIN: plain, SURER: surer}, severe={}
        )
        assert choose_margins(both).share == chosen
