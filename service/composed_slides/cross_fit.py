"""Fits and judges the slide score by parts of the fields: no slide has fields on both sides.

Each part is judged with terms that the others gave. On all parts together the forms of both terms
are chosen and their margins, so that enough negative slides of every size stay low; the
coefficients to ship are then fitted on all fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

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
from service.pipeline.report.score import list_powers
from service.pipeline.types import SlideScoreModel

JUDGE_SEED = 2
#: Fitted on all parts but one, judged on that one, in turn.
NUM_PARTS = 4
#: How much less a cell counts in a severe term than one of the next worse grade.
GRADE_FACTORS = (1.0, 0.5, 0.25)


@dataclass(frozen=True)
class CrossFit:
    """New coefficients, and what can be said of how they were found.

    Attributes:
        model: fitted on all fields.
        margins: of both terms, chosen on fields not fitted on.
        counts_alone: figures of one term that counts all cells of a class alike, for comparison.
        figures: of the forms that were taken.
    """

    model: SlideScoreModel
    margins: Margins
    counts_alone: SlideFigures
    figures: SlideFigures

    def to_json(self) -> dict[str, Any]:
        """Plain values: figures of what was taken, and what counts alone find."""
        return {
            "margins": list(self.margins.values),
            **self.figures.to_json(),
            "found_by_share_counts_alone": self.counts_alone.to_json()["found_by_share"],
        }


@dataclass(frozen=True)
class _Part:
    """Slides of one part's fields, those of all others, and the terms that the latter gave."""

    fit_on: ComposedSlides
    judge_on: ComposedSlides
    terms: dict[TermForm, FittedTerm]


def judge_shipped(
    detected: Sequence[DetectedField],
    classes: Sequence[CellClass],
    model: SlideScoreModel,
    num_each: int = NUM_EACH,
) -> SlideFigures:
    """Figures of coefficients as they are, on slides of all these fields."""
    pieces = cut_pieces(detected, classes, powers=list_powers(model))
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
    share_forms = [TermForm(tuple(class_weights), power) for power in range(len(CERTAINTY_POWERS))]
    severe_forms = list_severe_forms(classes)
    parts = _fit_parts(detected, classes, [*share_forms, *severe_forms], num_each)
    excess = _join_excess(parts, share_forms, severe_forms)
    plain = {share_forms[0]: excess.share[share_forms[0]]}
    counts_alone = choose_margins(replace(excess, share=plain, severe={}))
    taken = choose_margins(excess)
    slides = draw_slides_to_fit(cut_pieces(detected, classes), classes)
    terms = {form: fit_term(slides, form) for form in (taken.share, taken.severe) if form}
    return CrossFit(
        model=_describe(slides, classes, terms, taken),
        margins=taken,
        counts_alone=_judge_parts(parts, classes, counts_alone),
        figures=_judge_parts(parts, classes, taken),
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
        TermForm(each, power, is_severe=True)
        for each in sorted(weights)
        for power in range(len(CERTAINTY_POWERS))
    ]


def _fit_parts(
    detected: Sequence[DetectedField],
    classes: Sequence[CellClass],
    forms: Sequence[TermForm],
    num_each: int,
) -> list[_Part]:
    """For each part in turn: terms fitted on the others, and slides of it to judge them on."""
    parts = split_parts(detected, classes, NUM_PARTS)
    fitted = []
    for index, held_out in enumerate(parts):
        others = [field for part in parts[:index] + parts[index + 1 :] for field in part]
        fit_on = draw_slides_to_fit(cut_pieces(others, classes), classes)
        judge_on = draw_trial(cut_pieces(held_out, classes), classes, JUDGE_SEED, num_each)
        fitted.append(_Part(fit_on, judge_on, {form: fit_term(fit_on, form) for form in forms}))
    return fitted


def _join_excess(
    parts: Sequence[_Part], share_forms: Sequence[TermForm], severe_forms: Sequence[TermForm]
) -> Excess:
    """Evidence above the thresholds on the judged slides of all parts."""
    by_form = {
        form: np.concatenate([part.terms[form].excess(part.judge_on) for part in parts])
        for form in (*share_forms, *severe_forms)
    }
    return Excess(
        num_cells=np.concatenate([part.judge_on.num_cells for part in parts]),
        abnormal_share=np.concatenate([part.judge_on.abnormal_share for part in parts]),
        share={form: by_form[form] for form in share_forms},
        severe={form: by_form[form] for form in severe_forms},
    )


def _judge_parts(
    parts: Sequence[_Part], classes: Sequence[CellClass], margins: Margins
) -> SlideFigures:
    """Mean figures of judging on each part what the others gave."""
    return mean_figures(
        [
            judge_slide_score(
                part.judge_on, classes, _describe(part.fit_on, classes, part.terms, margins)
            )
            for part in parts
        ]
    )


def _describe(
    slides: ComposedSlides,
    classes: Sequence[CellClass],
    terms: Mapping[TermForm, FittedTerm],
    margins: Margins,
) -> SlideScoreModel:
    """Coefficients of fitted terms with these margins."""
    severe = None if margins.severe is None else terms[margins.severe]
    return fit_slide_score(slides, classes, terms[margins.share], severe, margins.values)
