"""Fits and judges the slide score by parts of the fields: no field is on both sides."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.classes import CellClass
from service.composed_slides.compose import ComposedSlides
from service.composed_slides.fit import draw_slides_to_fit, fit_slide_score
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
#: Other fields are less kind than those fitted on: the first margin is taken with which so many
#: negative slides of every size stay low there, or the last.
MARGINS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
LOW_SHARE = 0.95


@dataclass(frozen=True)
class CrossFit:
    """New coefficients, and what can be said of how they were found.

    Attributes:
        model: fitted on all fields.
        weights_fitted: whether its class weights are fitted, not the given ones.
        margin: it was fitted with, chosen of `MARGINS`.
        with_given_weights, with_fitted_weights: figures on slides of fields not fitted on.
    """

    model: SlideScoreModel
    weights_fitted: bool
    margin: float
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
    parts = _compose_parts(seen, classes, num_each)
    for margin in MARGINS:
        given = _judge_parts(parts, classes, class_weights, margin)
        fitted = _judge_parts(parts, classes, None, margin)
        better = fitted.auc >= given.auc + CLEARLY_BETTER
        taken = fitted if better else given
        if min(taken.negative_low_by_size.values()) >= LOW_SHARE:
            break
    slides = draw_slides_to_fit(cut_pieces(seen, classes), classes)
    model = fit_slide_score(slides, classes, None if better else class_weights, margin)
    return CrossFit(model, better, margin, given, fitted)


def _compose_parts(
    seen: Sequence[SeenField], classes: Sequence[CellClass], num_each: int
) -> list[tuple[ComposedSlides, ComposedSlides]]:
    """For each part in turn: slides of the others to fit on, and slides of it to judge on."""
    parts = split_parts(seen, classes, NUM_PARTS)
    composed = []
    for index, held_out in enumerate(parts):
        others = [one for part in parts[:index] + parts[index + 1 :] for one in part]
        fit_on = draw_slides_to_fit(cut_pieces(others, classes), classes)
        judge_on = draw_trial(cut_pieces(held_out, classes), classes, JUDGE_SEED, num_each)
        composed.append((fit_on, judge_on))
    return composed


def _judge_parts(
    parts: Sequence[tuple[ComposedSlides, ComposedSlides]],
    classes: Sequence[CellClass],
    class_weights: Sequence[float] | None,
    margin: float,
) -> SlideFigures:
    """Mean figures of judging on each part what the others gave."""
    return mean_figures(
        [
            judge_slide_score(
                judge_on, classes, fit_slide_score(fit_on, classes, class_weights, margin)
            )
            for fit_on, judge_on in parts
        ]
    )
