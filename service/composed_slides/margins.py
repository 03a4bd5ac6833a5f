"""How much more evidence than its threshold each term of the slide score must see.

Negative slides of other fields than those fitted on give more evidence than these. The margins are
the least with which enough of them stay low, shared out between both terms so that most abnormal
slides are found.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.composed_slides.fit import TermForm

#: Negative slides of every size that are to stay low.
LOW_SHARE = 0.95
#: Margins of the first term to try, ln of evidence.
SHARE_MARGINS = tuple(round(0.1 * step, 1) for step in range(41))
#: Slides with more abnormal cells than this are hard to miss, so they do not decide.
MAX_SHARE = 0.1
#: A second term is only taken if it finds so much more of the abnormal slides.
CLEARLY_BETTER = 0.01


@dataclass(frozen=True)
class Excess:
    """Evidence above the thresholds on S slides of fields not fitted on.

    Attributes:
        num_cells: (S,) of each slide.
        abnormal_share: (S,) 0 for negative slides.
        share: (S,) of the first term.
        severe: (S,) for every form of the second term that is tried.
    """

    num_cells: NDArray[np.int64]
    abnormal_share: NDArray[np.float64]
    share: NDArray[np.float64]
    severe: dict[TermForm, NDArray[np.float64]]


@dataclass(frozen=True)
class Margins:
    """What is asked of both terms.

    Attributes:
        form: of the second term; None to do without.
        values: margins of the first and the second term; the latter is 0 without one.
        found: mean over the shares of abnormal cells of the slides found.
    """

    form: TermForm | None
    values: tuple[float, float]
    found: float


def choose_margins(excess: Excess) -> Margins:
    """The form of the severe term and the margins that find most at `LOW_SHARE` of every size.

    Where no margin suffices, the first term has the largest and the second one is left out.
    """
    alone = _margin_alone(excess)
    best = alone
    for form, severe in excess.severe.items():
        for share_margin in SHARE_MARGINS:
            above = excess.share > share_margin
            severe_margin = _least_margin(severe, above, excess)
            if severe_margin is not None:
                found = _mean_found(above | (severe > severe_margin), excess)
                candidate = Margins(form, (share_margin, severe_margin), found)
                best = max(best, candidate, key=lambda margins: margins.found)
    return best if best.found >= alone.found + CLEARLY_BETTER else alone


def _margin_alone(excess: Excess) -> Margins:
    """Of the first term without a second one."""
    none = np.zeros(len(excess.share), bool)
    margin = _least_margin(excess.share, none, excess)
    most = SHARE_MARGINS[-1]
    margin = most if margin is None else min(margin, most)
    return Margins(None, (margin, 0.0), _mean_found(excess.share > margin, excess))


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
