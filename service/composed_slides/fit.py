"""Fits the coefficients of the slide score to composed slides; formula in `report/score.py`.

Each term is fitted by itself. First its false alarm: of slides without any abnormal cell,
`NEGATIVE_SHARE` give less evidence than the threshold at every size, and a margin on top of it is
for slides of other fields. Among priors that do, those are taken that find most. The slope follows
from a second point: the median clearly abnormal slide that is found has `CLEAR_SCORE`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from models.classes import CellClass
from service.composed_slides.compose import ComposedSlides, compose_slides, draw_specs
from service.composed_slides.pieces import CERTAINTY_POWERS, Pieces
from service.pipeline.types import SevereTerm, SlideScoreModel

NUM_SLIDES = 2000
#: Slides without abnormal cells that stay low, and below which score.
NEGATIVE_SHARE, NEGATIVE_SCORE = 0.95, 0.1
#: Of the smallest slides on, since shares of cells say little on smaller ones.
CATEGORY_NEGATIVE_SHARE = 0.99
SIZES = (0, 100, 300, 1000, 3000, 10**9)
PRIOR_TOTALS = (10.0, 30.0, 100.0, 300.0)
#: False alarms expected on an abnormal cell's weight, per cell.
PRIOR_SHARES = (0.0003, 0.001, 0.003, 0.01, 0.03)
#: Stands for a sum of no cells.
NOTHING = 1e-12
MIN_COUNT = 5
#: The negative material is small: what it never shows by mistake is still no evidence below this
#: share of cells.
MIN_FRACTION = 0.001
#: Share of abnormal cells from which a slide is clearly abnormal, and what its score then is.
CLEAR_SHARE, CLEAR_SCORE = 0.1, 0.9
#: Composed slides are neater than real ones, so the score must not jump from 0 to 1.
SLOPES = (0.1, 8.0)


@dataclass(frozen=True)
class TermForm:
    """What is summed over a slide's cells.

    Attributes:
        class_weights: one per class.
        power: index into `CERTAINTY_POWERS`.
        is_severe: of the second term, which has no prior of abnormal cells.
    """

    class_weights: tuple[float, ...]
    power: int = 0
    is_severe: bool = False


@dataclass(frozen=True)
class FittedTerm:
    """A term without its slope.

    Attributes:
        form: what is summed.
        prior_abnormal, prior_total: of the formula.
        threshold: evidence that negative slides seldom exceed.
    """

    form: TermForm
    prior_abnormal: float
    prior_total: float
    threshold: float

    def excess(self, slides: ComposedSlides) -> NDArray[np.float64]:
        """(S,) evidence of each slide, above the threshold or below it."""
        evidence = _evidence(slides, self.form, self.prior_abnormal, self.prior_total)
        return evidence - self.threshold


def draw_slides_to_fit(
    pieces: Pieces, classes: Sequence[CellClass], seed: int = 1
) -> ComposedSlides:
    """Slides of every size and share, half of them without abnormal cells."""
    rng = np.random.default_rng(seed)
    return compose_slides(pieces, classes, draw_specs(NUM_SLIDES, rng), seed)


def fit_term(slides: ComposedSlides, form: TermForm) -> FittedTerm:
    """The priors with which a term finds most, and its threshold."""
    candidates = []
    least = math.log(MIN_FRACTION * _mean_mass(slides, form))
    shares = (0.0,) if form.is_severe else PRIOR_SHARES
    for prior_total, share in product(PRIOR_TOTALS, shares):
        prior_abnormal = round(share * prior_total, 6)
        evidence = _evidence(slides, form, prior_abnormal, prior_total)
        threshold = _threshold(evidence, slides, least)
        term = FittedTerm(form, prior_abnormal, prior_total, threshold)
        candidates.append((_rate(evidence, threshold, slides), term))
    return max(candidates, key=lambda candidate: candidate[0])[1]


def fit_slide_score(
    slides: ComposedSlides,
    classes: Sequence[CellClass],
    share: FittedTerm,
    severe: FittedTerm | None,
    margins: tuple[float, float],
) -> SlideScoreModel:
    """Coefficients for the detector whose counts the slides have.

    Args:
        slides: that the terms were fitted on.
        classes: in label order.
        share: the first term.
        severe: the second one, or None to do without.
        margins: of both, ln of how much more evidence negative slides of other fields may give.
    """
    slope, intercept = _fit_logistic(share, slides, margins[0])
    return SlideScoreModel(
        class_weights=share.form.class_weights,
        prior_abnormal=share.prior_abnormal,
        prior_total=share.prior_total,
        intercept=intercept,
        slope=slope,
        category_min_count=MIN_COUNT,
        category_min_fractions=_fit_fractions(slides, classes),
        certainty_power=CERTAINTY_POWERS[share.form.power],
        severe=None if severe is None else _describe_severe(severe, slides, margins[1]),
    )


def area_under_curve(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Chance that a positive value is above a negative one, ties counted half."""
    rank = rankdata(np.concatenate([positive, negative]))
    above = rank[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(positive) * len(negative)))


def _describe_severe(term: FittedTerm, slides: ComposedSlides, margin: float) -> SevereTerm:
    slope, intercept = _fit_logistic(term, slides, margin)
    return SevereTerm(
        class_weights=term.form.class_weights,
        certainty_power=CERTAINTY_POWERS[term.form.power],
        prior_total=term.prior_total,
        intercept=intercept,
        slope=slope,
    )


def _evidence(
    slides: ComposedSlides, form: TermForm, prior_abnormal: float, prior_total: float
) -> NDArray[np.float64]:
    weighted = slides.mass[form.power] @ np.asarray(form.class_weights) + prior_abnormal
    total = slides.detected.sum(axis=1)
    # Quantiles cannot be taken of -inf, the evidence of nothing.
    return np.asarray(np.log(np.maximum(weighted, NOTHING) / (total + prior_total)), np.float64)


def _mean_mass(slides: ComposedSlides, form: TermForm) -> float:
    """What a detected cell that counts at all weighs, on average over the abnormal slides."""
    weights = np.asarray(form.class_weights)
    abnormal = slides.is_abnormal
    weighted = float((slides.mass[form.power][abnormal] @ weights).sum())
    num_cells = int(slides.detected[abnormal][:, weights > 0].sum())
    return weighted / num_cells if weighted else 1.0


def _threshold(evidence: NDArray[np.float64], slides: ComposedSlides, least: float) -> float:
    """Below it lie enough of the negative slides of every size; never under `least`."""
    thresholds = [least]
    for low, high in pairwise(SIZES):
        of_size = (slides.num_cells >= low) & (slides.num_cells < high)
        negative = evidence[of_size & ~slides.is_abnormal]
        thresholds.append(float(np.quantile(negative, NEGATIVE_SHARE)))
    return max(thresholds)


def _rate(evidence: NDArray[np.float64], threshold: float, slides: ComposedSlides) -> float:
    """Abnormal slides above the threshold, plus the area under the curve."""
    abnormal = slides.is_abnormal
    above = float((evidence[abnormal] > threshold).mean())
    return above + area_under_curve(evidence[abnormal], evidence[~abnormal])


def _fit_logistic(term: FittedTerm, slides: ComposedSlides, margin: float) -> tuple[float, float]:
    """Slope and intercept: `NEGATIVE_SCORE` at the threshold with its margin, and `CLEAR_SCORE`."""
    excess = term.excess(slides)
    clear = excess[(slides.abnormal_share >= CLEAR_SHARE) & (excess > margin)]
    way = max(float(np.median(clear)) - margin, 1e-6) if len(clear) else 1e-6
    slope = float(np.clip((_logit(CLEAR_SCORE) - _logit(NEGATIVE_SCORE)) / way, *SLOPES))
    intercept = _logit(NEGATIVE_SCORE) - slope * (term.threshold + margin)
    return round(slope, 4), round(intercept, 4)


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def _fit_fractions(slides: ComposedSlides, classes: Sequence[CellClass]) -> tuple[float, ...]:
    """Shares of cells of at least each class's severity that negative slides seldom exceed."""
    total = slides.detected.sum(axis=1)
    large = ~slides.is_abnormal & (total >= SIZES[2])
    severity = np.array([each.severity for each in classes])
    fractions = []
    for own in severity:
        as_severe = slides.detected[:, severity >= own].sum(axis=1)
        share = as_severe[large] / total[large]
        # A detector that finds next to nothing counts as many cells on no slide.
        seldom = float(np.quantile(share, CATEGORY_NEGATIVE_SHARE)) if len(share) else 0.0
        fractions.append(round(max(seldom, MIN_FRACTION), 5))
    return tuple(fractions)
