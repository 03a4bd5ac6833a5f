"""Fits and judges the slide score by parts of the fields: no slide has fields on both sides.

Each part is judged with terms that the others gave. On all parts together the severe term is chosen
and both margins, so that enough negative slides of every size stay low; the coefficients to ship
are then fitted on all fields.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.classes import CellClass
from service.composed_slides.compose import ComposedSlides
from service.composed_slides.detected_fields import DetectedField, split_parts
from service.composed_slides.fit import (
    FittedTerm,
    TermForm,
    draw_slides_to_fit,
    fit_slide_score,
    fit_term,
)
from service.composed_slides.judge import (
    NUM_EACH,
    SlideFigures,
    draw_trial,
    judge_slide_score,
    mean_figures,
)
from service.composed_slides.margins import Excess, Margins, choose_margins
from service.composed_slides.pieces import CERTAINTY_POWERS, cut_pieces
from service.pipeline.report.score import certainty_power
from service.pipeline.types import SlideScoreModel

JUDGE_SEED = 2
#: Fitted on all parts but one, judged on that one, in turn.
NUM_PARTS = 4
#: How much less a cell counts than one of the next worse grade.
GRADE_FACTORS = (1.0, 0.5, 0.25)


@dataclass(frozen=True)
class CrossFit:
    """New coefficients, and what can be said of how they were found.

    Attributes:
        model: fitted on all fields.
        margins: of both terms, chosen on fields not fitted on.
        share_alone: figures of the first term alone, with a margin of its own.
        both: figures with the severe term.
    """

    model: SlideScoreModel
    margins: Margins
    share_alone: SlideFigures
    both: SlideFigures

    @property
    def figures(self) -> SlideFigures:
        """Those of the coefficients that were taken."""
        return self.share_alone if self.model.severe is None else self.both

    def to_json(self) -> dict[str, Any]:
        """Plain values: figures of what was taken, and what the first term alone finds."""
        return {
            "margins": self.margins.values,
            **self.figures.to_json(),
            "found_by_share_first_term_alone": self.share_alone.to_json()["found_by_share"],
        }


@dataclass(frozen=True)
class _Part:
    """Slides of one part's fields, those of all others, and the terms that the latter gave."""

    fit_on: ComposedSlides
    judge_on: ComposedSlides
    share: FittedTerm
    severe: dict[TermForm, FittedTerm]


def judge_shipped(
    detected: Sequence[DetectedField],
    classes: Sequence[CellClass],
    model: SlideScoreModel,
    num_each: int = NUM_EACH,
) -> SlideFigures:
    """Figures of coefficients as they are, on slides of all these fields."""
    pieces = cut_pieces(detected, classes, powers=(0.0, certainty_power(model)))
    slides = draw_trial(pieces, classes, JUDGE_SEED, num_each)
    return judge_slide_score(slides, classes, model)


def cross_fit(
    detected: Sequence[DetectedField],
    classes: Sequence[CellClass],
    class_weights: Sequence[float],
    num_each: int = NUM_EACH,
) -> CrossFit:
    """Coefficients fitted on all fields, with figures from parts of them.

    Args:
        detected: fields that the detector did not learn from.
        classes: in label order.
        class_weights: of the first term; kept.
        num_each: slides of each size and of each share to judge on.

    Raises:
        DatasetError: the fields do not suffice for parts with normal and abnormal cells each.
    """
    share_form, severe_forms = TermForm(tuple(class_weights)), list_severe_forms(classes)
    parts = _fit_parts(detected, classes, share_form, severe_forms, num_each)
    excess = _join_excess(parts, severe_forms)
    alone = choose_margins(replace(excess, severe={}))
    taken = choose_margins(excess)
    slides = draw_slides_to_fit(cut_pieces(detected, classes), classes)
    severe = None if taken.form is None else fit_term(slides, taken.form)
    return CrossFit(
        model=fit_slide_score(slides, classes, fit_term(slides, share_form), severe, taken.values),
        margins=taken,
        share_alone=_judge_parts(parts, classes, alone),
        both=_judge_parts(parts, classes, taken),
    )


def list_severe_forms(classes: Sequence[CellClass]) -> list[TermForm]:
    """Severe terms to try: which grades count, how much less each than the next, and certainty.

    Weights are 1 for the worst grade, each milder one less by a factor, and 0 below the mildest
    that counts, so that they never fall with severity.
    """
    grades = sorted({each.severity for each in classes if each.is_abnormal})
    weights = set()
    for mildest, factor in product(range(len(grades)), GRADE_FACTORS):
        by_grade = {
            grade: round(factor ** (len(grades) - 1 - place), 4)
            for place, grade in enumerate(grades)
            if place >= mildest
        }
        weights.add(tuple(by_grade.get(each.severity, 0.0) for each in classes))
    return [
        TermForm(each, power) for each in sorted(weights) for power in range(len(CERTAINTY_POWERS))
    ]


def _fit_parts(
    detected: Sequence[DetectedField],
    classes: Sequence[CellClass],
    share_form: TermForm,
    severe_forms: Sequence[TermForm],
    num_each: int,
) -> list[_Part]:
    """For each part in turn: terms fitted on the others, and slides of it to judge them on."""
    parts = split_parts(detected, classes, NUM_PARTS)
    fitted = []
    for index, held_out in enumerate(parts):
        others = [field for part in parts[:index] + parts[index + 1 :] for field in part]
        fit_on = draw_slides_to_fit(cut_pieces(others, classes), classes)
        judge_on = draw_trial(cut_pieces(held_out, classes), classes, JUDGE_SEED, num_each)
        severe = {form: fit_term(fit_on, form) for form in severe_forms}
        fitted.append(_Part(fit_on, judge_on, fit_term(fit_on, share_form), severe))
    return fitted


def _join_excess(parts: Sequence[_Part], severe_forms: Sequence[TermForm]) -> Excess:
    """Evidence above the thresholds on the judged slides of all parts."""

    def join(values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.concatenate(values)

    return Excess(
        num_cells=np.concatenate([part.judge_on.num_cells for part in parts]),
        abnormal_share=join([part.judge_on.abnormal_share for part in parts]),
        share=join([part.share.excess(part.judge_on) for part in parts]),
        severe={
            form: join([part.severe[form].excess(part.judge_on) for part in parts])
            for form in severe_forms
        },
    )


def _judge_parts(
    parts: Sequence[_Part], classes: Sequence[CellClass], margins: Margins
) -> SlideFigures:
    """Mean figures of judging on each part what the others gave."""
    figures = []
    for part in parts:
        severe = None if margins.form is None else part.severe[margins.form]
        model = fit_slide_score(part.fit_on, classes, part.share, severe, margins.values)
        figures.append(judge_slide_score(part.judge_on, classes, model))
    return mean_figures(figures)
