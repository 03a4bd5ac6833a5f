"""Fits the slide score to how a detector confuses cells, on slides composed from that confusion.

Provisional: the detector is measured on fields, and slides are drawn from its confusion matrix.
The formula is in `service/pipeline/report.py`; the fit's figures travel in the bundle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata

from models.classes import CellClass

NUM_SLIDES = 2000
CELLS_PER_SLIDE = (30, 20_000)
ABNORMAL_SHARE = (0.02, 0.5)
#: Cells assumed on top of those seen, at the rate of false alarms: a handful is no evidence.
PRIOR_TOTAL = 200.0
#: Slides differ in stain and focus, so their error rates do too: spread of the rates' logarithm.
RATE_SPREAD = 0.35
#: Of slides without any abnormal cell, this share scores below `NEGATIVE_SCORE`.
NEGATIVE_SHARE, NEGATIVE_SCORE = 0.97, 0.1
MIN_COUNT = 5
#: Weight of all fields against the few that hold no abnormal cell.
PRIOR_CELLS = 100


@dataclass(frozen=True)
class Rates:
    """What becomes of a cell.

    Attributes:
        outcome: (C, C + 1) probability of each class found, by true class; last = missed.
        invented: (C,) false alarms of each class, per cell on the slide.
    """

    outcome: NDArray[np.float64]
    invented: NDArray[np.float64]


@dataclass(frozen=True)
class Composed:
    """Slides drawn from a confusion matrix.

    Attributes:
        found: (S, C) cells by class, as the detector would count them.
        abnormal: (S,) whether any abnormal cell is on the slide.
    """

    found: NDArray[np.int64]
    abnormal: NDArray[np.bool_]


def estimate_rates(
    matrix: NDArray[np.int64], negative_matrix: NDArray[np.int64], classes: Sequence[CellClass]
) -> Rates:
    """What becomes of a cell, from the confusion on all fields and on those without abnormal cells.

    Abnormal detections that match no label are often real cells that nobody labelled, and stand
    where other abnormal ones do. So false alarms are taken from the negative fields; as these are
    few, all fields together count as `PRIOR_CELLS` further cells.
    """
    num_classes = len(classes)
    cells, negative_cells = (int(one[:num_classes].sum()) for one in (matrix, negative_matrix))
    outcome = matrix[:num_classes] / np.maximum(matrix[:num_classes].sum(axis=1), 1)[:, None]
    for label, one in enumerate(classes):
        if not one.is_abnormal:
            seen = negative_matrix[label]
            blended = seen + PRIOR_CELLS * outcome[label]
            outcome[label] = blended / blended.sum() if blended.sum() else outcome[label]
    invented = matrix[num_classes, :num_classes] / max(cells, 1)
    blended = negative_matrix[num_classes, :num_classes] + PRIOR_CELLS * invented
    return Rates(outcome, blended / (negative_cells + PRIOR_CELLS))


def fit_slide_score(
    rates: Rates, classes: Sequence[CellClass], class_weights: Sequence[float]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Coefficients of the slide score, and how well they do on other composed slides.

    Args:
        rates: of the detector.
        classes: in label order.
        class_weights: one per class, see `SlideScoreModel`.

    Returns:
        Fields of `SlideScoreModel`; AUC and the share of negative slides below 0.1.
    """
    weights = np.asarray(class_weights, np.float64)
    slides = compose_slides(rates, classes, seed=1)
    total = slides.found.sum(axis=1)
    negative = ~slides.abnormal
    share = slides.found @ weights / np.maximum(total, 1)
    prior_abnormal = float(PRIOR_TOTAL * max(np.median(share[negative]), 1e-4))
    x = np.log((slides.found @ weights + prior_abnormal) / (total + PRIOR_TOTAL))
    slope = _fit_logistic(x, slides.abnormal)
    # The intercept is set by what a laboratory feels first: false alarms.
    quantile = float(np.quantile(x[negative], NEGATIVE_SHARE))
    intercept = float(np.log(NEGATIVE_SCORE / (1 - NEGATIVE_SCORE)) - slope * quantile)
    large = negative & (total >= 300)
    fractions = []
    for one in classes:
        as_bad = slides.found[:, [other.severity >= one.severity for other in classes]]
        share_as_bad = as_bad[large].sum(axis=1) / total[large]
        fractions.append(round(float(np.quantile(share_as_bad, NEGATIVE_SHARE)), 5))
    model = {
        "class_weights": [float(value) for value in weights],
        "prior_abnormal": round(prior_abnormal, 5),
        "prior_total": PRIOR_TOTAL,
        "intercept": round(intercept, 4),
        "slope": round(slope, 4),
        "category_min_count": MIN_COUNT,
        "category_min_fractions": fractions,
    }
    return model, _judge(compose_slides(rates, classes, seed=2), model)


def compose_slides(rates: Rates, classes: Sequence[CellClass], seed: int) -> Composed:
    """Slides of 30 to 20,000 cells, half of them without any abnormal cell."""
    rng = np.random.default_rng(seed)
    num_classes = len(classes)
    is_abnormal = np.array([one.is_abnormal for one in classes])
    found = np.zeros((NUM_SLIDES, num_classes), np.int64)
    abnormal = rng.random(NUM_SLIDES) < 0.5
    for index in range(NUM_SLIDES):
        num_cells = int(np.exp(rng.uniform(*np.log(CELLS_PER_SLIDE))))
        share = np.exp(rng.uniform(*np.log(ABNORMAL_SHARE))) if abnormal[index] else 0.0
        mix = _draw_mix(is_abnormal, float(share), rng)
        rate = np.exp(rng.normal(0, RATE_SPREAD))
        for label, count in enumerate(rng.multinomial(num_cells, mix)):
            row = _spread_errors(rates.outcome[label], label, rate)
            found[index] += rng.multinomial(count, row)[:num_classes]
        found[index] += rng.poisson(num_cells * np.minimum(rates.invented * rate, 1.0))
    return Composed(found, abnormal)


def _draw_mix(
    is_abnormal: NDArray[np.bool_], share: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    mix = np.zeros(len(is_abnormal))
    mix[~is_abnormal] = (1 - share) / max(int((~is_abnormal).sum()), 1)
    if is_abnormal.any():
        mix[is_abnormal] = share * rng.dirichlet(np.full(int(is_abnormal.sum()), 0.5))
    return np.asarray(mix / mix.sum(), np.float64)


def _spread_errors(row: NDArray[np.float64], label: int, rate: float) -> NDArray[np.float64]:
    """The outcome of one class with its errors scaled by `rate`; a row of nothing stays right."""
    errors = np.delete(row, label).sum()
    scaled = row * min(rate, 1.0 / errors if errors > 0 else 1.0)
    scaled[label] = 0.0
    scaled[label] = max(0.0, 1.0 - scaled.sum())
    return np.asarray(scaled / scaled.sum(), np.float64)


def _fit_logistic(x: NDArray[np.float64], y: NDArray[np.bool_]) -> float:
    """Slope of a logistic regression, kept moderate: composed slides are neater than real ones."""
    centred = x - x.mean()

    def cost(parameters: NDArray[np.float64]) -> float:
        z = parameters[0] + parameters[1] * centred
        loss = np.logaddexp(0.0, np.where(y, -z, z)).mean()
        return float(loss + 0.01 * parameters[1] ** 2)

    slope = float(minimize(cost, np.array([0.0, 1.0])).x[1])
    return max(slope, 0.1)


def _judge(slides: Composed, model: dict[str, Any]) -> dict[str, float]:
    total = slides.found.sum(axis=1)
    weighted = slides.found @ np.asarray(model["class_weights"])
    x = np.log((weighted + model["prior_abnormal"]) / (total + model["prior_total"]))
    score = 1 / (1 + np.exp(-(model["intercept"] + model["slope"] * x)))
    rank = rankdata(score)
    positive = int(slides.abnormal.sum())
    negative = len(rank) - positive
    above = rank[slides.abnormal].sum() - positive * (positive + 1) / 2
    return {
        "auc": round(float(above / (positive * negative)), 4),
        "negative_below_0.1": round(float((score[~slides.abnormal] < NEGATIVE_SCORE).mean()), 4),
    }
