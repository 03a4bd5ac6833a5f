"""A detector's scores made probabilities and its thresholds chosen, on fields it never saw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from models.bundle.description import BundleModel, CalibrationModel
from models.bundle.load import load_network
from models.calibrate.probability import Calibration, fit_calibration
from models.calibrate.thresholds import choose_thresholds
from models.classes import CellClass
from models.data.coco import FieldSet, require_mpp
from models.detector import Detector
from models.errors import BundleError, name_first_error
from models.inference.engines.choice import make_detector
from models.measure.evaluate import MIN_SCORE, Evaluation, detect_fields, evaluate, merge_cells
from models.measure.metrics import FieldResult

#: Below, nearly every detection is nothing: the map is fitted to what may be reported.
FIT_FROM_SCORE = 0.08


@dataclass(frozen=True)
class Calibrated:
    """A detector that states probabilities.

    Attributes:
        model: with its calibration and thresholds.
        detector: running it.
        raw, results: every field's detections with the network's scores, and with probabilities.
        figures: at the thresholds.
    """

    model: BundleModel
    detector: Detector
    raw: list[FieldResult]
    results: list[FieldResult]
    figures: Evaluation


def choose_serving(
    model: BundleModel,
    tile_size_px: int | None = None,
    side_support: float | None = None,
    rival_power: float | None = None,
) -> BundleModel:
    """The same network served otherwise; None leaves a value as it is.

    Args:
        model: of a bundle.
        tile_size_px: side of the tiles it is given; larger ones overlap less and need more memory.
            Fields are read whole, so no figure here depends on it.
        side_support, rival_power: see `models.inference.joined_scores`.

    Raises:
        BundleError: a value is out of range.
    """
    content = model.model_dump()
    if tile_size_px is not None:
        content["input"] |= {"tile_size_px": tile_size_px}
    if side_support is not None:
        content["side_support"] = side_support
    if rival_power is not None:
        content["rival_power"] = rival_power
    try:
        return BundleModel.model_validate(content)
    except ValidationError as error:
        raise BundleError(f"{model.name}: {name_first_error(error)}") from error


def calibrate_scores(
    folder: Path,
    model: BundleModel,
    held_out: FieldSet,
    on_field: Callable[[], None] = lambda: None,
) -> Calibrated:
    """Fits the map from score to probability, then chooses the thresholds.

    Args:
        folder: of a bundle that did not learn from `held_out`.
        model: of the bundle, perhaps changed by `choose_serving`; its calibration is dropped.
        held_out: labelled fields that state their µm/px.
        on_field: called after each field.

    Raises:
        BundleError: the bundle is broken, or has other classes than the fields.
        DatasetError: an image cannot be read.
    """
    model = model.model_copy(update={"calibration": None})
    classes = model.info("auto").classes
    _check_classes(folder, classes, held_out)
    require_mpp(held_out)
    network = load_network(folder, model)
    raw = detect_fields(make_detector(model, network, min_score=MIN_SCORE), held_out, on_field)
    least = (FIT_FROM_SCORE,) * len(classes)
    calibration = fit_calibration(
        [merge_cells(result, least, model.merge_iou) for result in raw], classes
    )
    results = [apply_calibration(result, calibration) for result in raw]
    thresholds = choose_thresholds(results, classes, model.merge_iou)
    fitted = CalibrationModel(slopes=calibration.slopes, offsets=calibration.offsets)
    model = model.model_copy(update={"calibration": fitted, "score_thresholds": thresholds})
    figures = evaluate(results, classes, thresholds, model.merge_iou)
    return Calibrated(model, make_detector(model, network), raw, results, figures)


def apply_calibration(result: FieldResult, calibration: Calibration) -> FieldResult:
    """The same detections with probabilities for scores."""
    probability = calibration.apply(result.score, result.label)
    return replace(result, score=probability.astype(np.float32))


def _check_classes(folder: Path, classes: Sequence[CellClass], fields: FieldSet) -> None:
    known, given = (
        [cell_class.name for cell_class in listed] for listed in (classes, fields.classes)
    )
    if known != given:
        raise BundleError(f"{folder} knows the classes {known}, but the fields have {given}")
