"""The slide score's coefficients for a new detector, from fields that it did not learn from."""

from collections.abc import Callable

from models.data.coco import FieldSet
from models.slide_score import FittedSlideScore
from service.composed_slides.cross_fit import LOW_SHARE, cross_fit
from service.composed_slides.looks import see_fields
from service.pipeline.types import Detector


def find_coefficients(
    detector: Detector, held_out: FieldSet, warn: Callable[[str], None]
) -> FittedSlideScore:
    """Fits them, and judges them on fields not fitted on.

    Args:
        detector: at the thresholds that it will have.
        held_out: fields that it did not learn from, labelled.
        warn: called where no margin keeps enough of the negative slides low.

    Raises:
        DatasetError: an image cannot be read, or the fields do not suffice to compose slides.
    """
    info = detector.info
    fitted = cross_fit(see_fields(detector, held_out), info.classes, info.slide_score.class_weights)
    figures = fitted.with_fitted_weights if fitted.weights_fitted else fitted.with_given_weights
    if min(figures.negative_low_by_size.values()) < LOW_SHARE:
        warn(
            f"even with a margin of {fitted.margin:g} more than 5 of 100 negative slides of some "
            "size score 0.1 or more: hold out more fields, or do without the slide score"
        )
    return FittedSlideScore(fitted.model, {"margin": fitted.margin} | figures.to_json())
