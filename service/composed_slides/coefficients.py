"""The slide score's coefficients for a new detector, from fields that it did not learn from."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from models.calibrate.slide_score import FittedSlideScore
from models.data.coco import FieldSet
from service.composed_slides.cross_fit import LOW_SHARE, cross_fit
from service.composed_slides.looks import see_fields
from service.pipeline.types import Detector

#: More fields make the fit longer, not better: the detector sees each several times.
MAX_FIELDS = 300

#: Called with how many fields are seen, of how many.
OnField = Callable[[int, int], None]


def find_coefficients(
    detector: Detector,
    held_out: FieldSet,
    warn: Callable[[str], None],
    on_field: OnField = lambda seen, total: None,
) -> FittedSlideScore:
    """Fits them, and judges them on fields not fitted on.

    Args:
        detector: at the thresholds that it will have.
        held_out: fields that it did not learn from, labelled.
        warn: called where no margin keeps enough of the negative slides low.
        on_field: called after each field.

    Raises:
        DatasetError: an image cannot be read, or the fields do not suffice to compose slides.
    """
    info = detector.info
    few = thin_out(held_out, MAX_FIELDS)
    number = itertools.count(1)
    seen = see_fields(detector, few, on_field=lambda: on_field(next(number), len(few.fields)))
    fitted = cross_fit(seen, info.classes, info.slide_score.class_weights)
    figures = fitted.with_fitted_weights if fitted.weights_fitted else fitted.with_given_weights
    if min(figures.negative_low_by_size.values()) < LOW_SHARE:
        warn(
            f"even with a margin of {fitted.margin:g} more than 5 of 100 negative slides of some "
            "size score 0.1 or more: hold out more fields, or do without the slide score"
        )
    return FittedSlideScore(fitted.model, {"margin": fitted.margin} | figures.to_json())


def thin_out(fields: FieldSet, most: int) -> FieldSet:
    """At most so many of the fields, evenly of those whose worst cell is of each grade."""
    if len(fields.fields) <= most:
        return fields
    severity = np.array([one.severity for one in fields.classes])
    by_grade = sorted(fields.fields, key=lambda one: int(severity[one.label].max(initial=0)))
    places = np.linspace(0, len(by_grade) - 1, most).round().astype(int)
    return replace(fields, fields=tuple(by_grade[place] for place in places))
