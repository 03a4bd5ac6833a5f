"""Fits and judges the slide score by parts of the fields: no field is on both sides."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.classes import CellClass
from service.composed_slides.fit import fit_slide_score
from service.composed_slides.judge import (
    NUM_EACH,
    SlideFigures,
    draw_trial,
    judge_slide_score,
    mean_figures,
)
from service.composed_slides.looks import SeenField, split_parts
from service.composed_slides.pieces import cut_pieces
from service.pipeline.types import SlideScoreModel

#: Fitted class weights are only taken where they are better by so much area under the curve.
CLEARLY_BETTER = 0.01
JUDGE_SEED = 2
#: Fitted on all parts but one, judged on that one, in turn.
NUM_PARTS = 4


@dataclass(frozen=True)
class CrossFit:
    """New coefficients, and what can be said of how they were found.

    Attributes:
        model: fitted on all fields.
        weights_fitted: whether its class weights are fitted, not the given ones.
        with_given_weights, with_fitted_weights: figures on slides of fields not fitted on.
    """

    model: SlideScoreModel
    weights_fitted: bool
    with_given_weights: SlideFigures
    with_fitted_weights: SlideFigures


def judge_shipped(
    seen: Sequence[SeenField],
    classes: Sequence[CellClass],
    model: SlideScoreModel,
    num_each: int = NUM_EACH,
) -> SlideFigures:
    """Figures of coefficients as they are, on slides of all these fields."""
    slides = draw_trial(cut_pieces(seen, classes), classes, JUDGE_SEED, num_each)
    return judge_slide_score(slides, classes, model)


def cross_fit(
    seen: Sequence[SeenField],
    classes: Sequence[CellClass],
    class_weights: Sequence[float],
    num_each: int = NUM_EACH,
) -> CrossFit:
    """Coefficients fitted on all fields, with figures from parts of them.

    Args:
        seen: fields that the detector did not learn from.
        classes: in label order.
        class_weights: to be kept unless fitted ones are clearly better on fields not fitted on.
        num_each: slides of each size and of each share to judge on.

    Raises:
        DatasetError: the fields do not suffice for parts with normal and abnormal cells each.
    """
    given, fitted = _judge_parts(seen, classes, (class_weights, None), num_each)
    better = fitted.auc >= given.auc + CLEARLY_BETTER
    model = fit_slide_score(cut_pieces(seen, classes), classes, None if better else class_weights)
    return CrossFit(model, better, given, fitted)


def _judge_parts(
    seen: Sequence[SeenField],
    classes: Sequence[CellClass],
    kinds: Sequence[Sequence[float] | None],
    num_each: int,
) -> list[SlideFigures]:
    """Mean figures, for each kind of weights, of judging on each part what the others gave."""
    parts = split_parts(seen, classes, NUM_PARTS)
    figures: list[list[SlideFigures]] = [[] for _ in kinds]
    for index, held_out in enumerate(parts):
        others = [one for part in parts[:index] + parts[index + 1 :] for one in part]
        fit_on = cut_pieces(others, classes)
        slides = draw_trial(cut_pieces(held_out, classes), classes, JUDGE_SEED, num_each)
        for mine, weights in zip(figures, kinds, strict=True):
            model = fit_slide_score(fit_on, classes, weights)
            mine.append(judge_slide_score(slides, classes, model))
    return [mean_figures(mine) for mine in figures]
