"""How much more evidence than its threshold each term of the slide score must see.

Negative slides of other fields than those fitted on give more evidence than these. The margins are
the least with which enough of them stay low, shared out between both terms so that most abnormal
slides are found.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.composed_slides.fit import TermForm

#: Negative slides of every size that are to stay low.
LOW_SHARE = 0.95
#: ln of evidence. No margin beyond the largest is tried.
MAX_MARGIN = 4.0
#: Beside a second term, the first one has its margin alone or one so much larger, in steps.
STEP, NUM_STEPS = 0.1, 15
#: Slides with more abnormal cells than this are hard to miss, so they do not decide.
MAX_SHARE = 0.1
#: Less plain forms are only taken if they find so much more of the abnormal slides.
CLEARLY_BETTER = 0.01


@dataclass(frozen=True)
class Excess:
    """Evidence above the thresholds on S slides of fields not fitted on.

    Attributes:
        num_cells: (S,) of each slide.
        abnormal_share: (S,) 0 for negative slides.
        share: (S,) for every form of the first term that is tried, the plainest first.
        severe: (S,) for every form of the second term that is tried.
    """

    num_cells: NDArray[np.int64]
    abnormal_share: NDArray[np.float64]
    share: Mapping[TermForm, NDArray[np.float64]]
    severe: Mapping[TermForm, NDArray[np.float64]]


@dataclass(frozen=True)
class Margins:
    """What is asked of both terms.

    Attributes:
        share: form of the first term.
        severe: form of the second term; None to do without.
        values: margins of the first and the second term; the latter is 0 without one.
        found_fraction: mean over the shares of abnormal cells of the slides found.
    """

    share: TermForm
    severe: TermForm | None
    values: tuple[float, float]
    found_fraction: float


def choose_margins(excess: Excess) -> Margins:
    """The forms of both terms and the margins that find most at `LOW_SHARE` of every size.

    A form other than the plainest, and a second term, are only taken if they find clearly more.
    Where no margin suffices, the plainest first term has the largest one.
    """
    best = _margin_alone(next(iter(excess.share)), excess)
    for form in excess.share:
        best = _better(best, _margin_alone(form, excess))
    best_pair = best
    for form in excess.share:
        for severe in excess.severe:
            pair = _share_out(form, severe, excess)
            best_pair = max(best_pair, pair or best, key=lambda margins: margins.found_fraction)
    return _better(best, best_pair)


def _better(simple: Margins, other: Margins) -> Margins:
    return other if other.found_fraction >= simple.found_fraction + CLEARLY_BETTER else simple


def _margin_alone(form: TermForm, excess: Excess) -> Margins:
    """Of the first term without a second one; finds nothing where no margin suffices."""
    evidence = excess.share[form]
    margin = _least_margin(evidence, np.zeros(len(evidence), bool), excess)
    if margin is None or margin > MAX_MARGIN:
        return Margins(form, None, (MAX_MARGIN, 0.0), 0.0)
    return Margins(form, None, (margin, 0.0), _mean_found(evidence > margin, excess))


def _share_out(share: TermForm, severe: TermForm, excess: Excess) -> Margins | None:
    """The best margins of two terms; None where none suffice."""
    start = _margin_alone(share, excess).values[0]
    best = None
    for step in range(NUM_STEPS):
        share_margin = round(start + step * STEP, 3)
        high = excess.share[share] > share_margin
        severe_margin = _least_margin(excess.severe[severe], high, excess)
        if severe_margin is not None:
            found_fraction = _mean_found(high | (excess.severe[severe] > severe_margin), excess)
            if best is None or found_fraction > best.found_fraction:
                best = Margins(share, severe, (share_margin, severe_margin), found_fraction)
    return best


def _least_margin(
    evidence: NDArray[np.float64], above: NDArray[np.bool_], excess: Excess
) -> float | None:
    """The least that keeps enough negative slides low, `above` being high already; or None."""
    least = 0.0
    for size in np.unique(excess.num_cells[excess.abnormal_share == 0]):
        negative = (excess.abnormal_share == 0) & (excess.num_cells == size)
        num_allowed = int((1 - LOW_SHARE) * negative.sum()) - int(above[negative].sum())
        if num_allowed < 0:
            return None
        descending = np.sort(evidence[negative & ~above])[::-1]
        if num_allowed < len(descending):
            least = max(least, float(descending[num_allowed]))
    # Upwards, so that what is at the margin stays below it.
    return float(np.ceil(least * 1e3) / 1e3)


def _mean_found(high: NDArray[np.bool_], excess: Excess) -> float:
    """Share of abnormal slides that are high, each share of abnormal cells counting alike."""
    shares = np.unique(excess.abnormal_share)
    asked = [share for share in shares if 0 < share <= MAX_SHARE] or list(shares[shares > 0])
    return float(np.mean([high[excess.abnormal_share == share].mean() for share in asked]))
