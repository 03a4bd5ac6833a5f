"""How well a slide score does on composed slides: tells them apart, and keeps negative ones low."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.classes import CellClass
from service.composed_slides.compose import ComposedSlides, SlideSpec, compose_slides, draw_size
from service.composed_slides.fit import NEGATIVE_SCORE, area_under_curve
from service.composed_slides.pieces import Pieces
from service.pipeline.report.category import name_category
from service.pipeline.report.score import list_powers, score_slides
from service.pipeline.types import SlideScoreModel

SIZES = (30, 100, 300, 1000, 3000, 10_000)
SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
#: Slides of each size and of each share.
NUM_EACH = 200
#: Fewer abnormal cells than this are asked of no screening.
MIN_SHARE = 0.02


@dataclass(frozen=True)
class SlideFigures:
    """Figures on composed slides, each 0-1.

    Attributes:
        auc: slides with at least 2 % abnormal cells against those without any.
        auc_by_share: by share of abnormal cells, against all slides without any.
        found_by_share: of those, how many score at least 0.1.
        negative_low_by_size: of slides without abnormal cells, how many score below 0.1.
        category_agrees: whether the named category is the one that the labels give.
        category_near: or one grade beside it.
        true_share_median: labelled abnormal cells per cell, by the share asked for.
    """

    auc: float
    auc_by_share: dict[float, float]
    found_by_share: dict[float, float]
    negative_low_by_size: dict[int, float]
    category_agrees: float
    category_near: float
    true_share_median: dict[float, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values; keys of the tables as text."""
        return {
            name: {f"{key:g}": number for key, number in value.items()}
            if isinstance(value, dict)
            else value
            for name, value in vars(self).items()
        }


def draw_trial(
    pieces: Pieces, classes: Sequence[CellClass], seed: int, num_each: int = NUM_EACH
) -> ComposedSlides:
    """Slides to judge on: of every size without abnormal cells, of every share of any size."""
    rng = np.random.default_rng(seed)
    specs = [SlideSpec(size, 0.0) for size in SIZES for _ in range(num_each)]
    specs += [SlideSpec(draw_size(share, rng), share) for share in SHARES for _ in range(num_each)]
    return compose_slides(pieces, classes, specs, seed)


def judge_slide_score(
    slides: ComposedSlides, classes: Sequence[CellClass], model: SlideScoreModel
) -> SlideFigures:
    """All figures of one set of coefficients on slides from `draw_trial`."""
    score = score_composed(slides, model)
    share, size = slides.abnormal_share, slides.num_cells
    negative = score[share == 0]
    abnormal = np.array([each.is_abnormal for each in classes])
    true_share = slides.true[:, abnormal].sum(axis=1) / np.maximum(slides.true.sum(axis=1), 1)
    agrees, near = _compare_categories(slides, classes, model)
    low = score < NEGATIVE_SCORE
    return SlideFigures(
        auc=area_under_curve(score[share >= MIN_SHARE], negative),
        auc_by_share={each: area_under_curve(score[share == each], negative) for each in SHARES},
        found_by_share={each: float((~low[share == each]).mean()) for each in SHARES},
        negative_low_by_size={
            each: float(low[(share == 0) & (size == each)].mean()) for each in SIZES
        },
        category_agrees=agrees,
        category_near=near,
        true_share_median={each: float(np.median(true_share[share == each])) for each in SHARES},
    )


def score_composed(slides: ComposedSlides, model: SlideScoreModel) -> NDArray[np.float64]:
    """(S,) the slides' scores; 0 for one on which no cell is detected: it raises no alarm.

    Args:
        slides: with sums at the model's certainty powers.
        model: fitted coefficients.
    """
    mass = [slides.mass[slides.powers.index(power)] for power in list_powers(model)]
    return np.nan_to_num(score_slides(slides.detected.sum(axis=1), mass, model), nan=0.0)


def mean_figures(figures: Sequence[SlideFigures]) -> SlideFigures:
    """Each figure's mean, as over the parts of a cross-fit."""
    columns = {name: [vars(each)[name] for each in figures] for name in vars(figures[0])}
    means: dict[str, Any] = {}
    for name, values in columns.items():
        if isinstance(values[0], dict):
            means[name] = {key: float(np.mean([each[key] for each in values])) for key in values[0]}
        else:
            means[name] = float(np.mean(values))
    return SlideFigures(**means)


def _compare_categories(
    slides: ComposedSlides, classes: Sequence[CellClass], model: SlideScoreModel
) -> tuple[float, float]:
    """How often the category agrees with that of the labels, exactly and within one grade.

    That of the labels needs one cell: on these slides every abnormal cell is known.
    """
    true = np.array([_worst(count, classes) for count in slides.true])
    named = np.array([name_category(count, classes, model).severity for count in slides.detected])
    off: NDArray[np.int64] = np.abs(true - named)
    return float((off == 0).mean()), float((off <= 1).mean())


def _worst(count: NDArray[np.int64], classes: Sequence[CellClass]) -> int:
    return max((each.severity for each, num in zip(classes, count, strict=True) if num), default=0)
