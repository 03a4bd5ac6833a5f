"""The slide score's coefficients for a new detector, from fields that it did not learn from."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from models.calibrate.slide_score import FittedSlideScore
from models.data.coco import FieldSet
from service.composed_slides.cross_fit import cross_fit
from service.composed_slides.detected_fields import detect_fields
from service.composed_slides.margins import LOW_SHARE
from service.pipeline.types import Detector

#: More fields make the fit longer, not better: the detector sees each several times.
MAX_FIELDS = 300

#: Coefficients are rounded, which may move a slide that lies at the cut.
ROUNDING = 0.002

#: Called with how many fields are done, of how many.
OnField = Callable[[int, int], None]


def find_coefficients(
    detector: Detector,
    held_out: FieldSet,
    warn: Callable[[str], None],
    on_field: OnField = lambda done, total: None,
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
    detected = detect_fields(
        detector, few, on_field=lambda: on_field(next(number), len(few.fields))
    )
    fitted = cross_fit(detected, info.classes, info.slide_score.class_weights)
    if min(fitted.figures.negative_low_by_size.values()) < LOW_SHARE - ROUNDING:
        warn(
            "with no margin do 95 of 100 negative slides of every size score less than 0.1: hold "
            "out more fields, or do without the slide score"
        )
    return FittedSlideScore(fitted.model, fitted.to_json())


def thin_out(fields: FieldSet, most: int) -> FieldSet:
    """At most so many of the fields, evenly of those whose worst cell is of each grade."""
    if len(fields.fields) <= most:
        return fields
    severity = np.array([each.severity for each in fields.classes])
    by_grade = sorted(fields.fields, key=lambda field: int(severity[field.label].max(initial=0)))
    places = np.linspace(0, len(by_grade) - 1, most).round().astype(int)
    return replace(fields, fields=tuple(by_grade[place] for place in places))
