"""Labelled fields and what a detector reports of them, also with stain, light and focus changed.

Slides differ in stain, light and focus; all fields of one augmentation differ from the original
alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.classes import CellClass
from models.data.augment import Augmentation, change_look
from models.data.coco import Field, FieldSet
from models.data.resample import resample_field
from models.measure.evaluate import make_tile
from service.errors import DatasetError
from service.pipeline.merge import merge_detections
from service.pipeline.types import Detector

NUM_AUGMENTATIONS = 4
#: As far as training changes them; geometry is left alone.
AUGMENTATION = Augmentation(
    scale=(1.0, 1.0),
    rotate_degrees=0.0,
    brightness=0.12,
    contrast=0.15,
    stain=0.2,
    channel_shift=0.05,
    blur_sigma_px=1.2,
    noise_std=4.0,
)


@dataclass(frozen=True)
class DetectedCells:
    """D cells that a detector reports, at its thresholds, one to a cell.

    Attributes:
        xy_um: (D, 2) float64, centres, from the field's top left corner.
        label: (D,) int16.
        score: (D,) float32.
    """

    xy_um: NDArray[np.float64]
    label: NDArray[np.int16]
    score: NDArray[np.float32]


@dataclass(frozen=True)
class DetectedField:
    """A labelled field in µm from its top left corner, and the cells detected on it.

    Attributes:
        field: where it comes from; its pixels and labels.
        mpp: µm per px of the field.
        by_augmentation: one per augmentation; the first is the field as it is.
    """

    field: Field
    mpp: float
    by_augmentation: tuple[DetectedCells, ...]

    @property
    def slide(self) -> str:
        """The slide that the field was cut from; its own file where that is not known."""
        return self.field.slide or self.field.path.name

    @property
    def size_um(self) -> tuple[float, float]:
        """Width and height."""
        return self.field.width * self.mpp, self.field.height * self.mpp

    @property
    def true_xy_um(self) -> NDArray[np.float64]:
        """(G, 2) centres of the labelled cells."""
        return self.field.centre_xy.astype(np.float64) * self.mpp

    @property
    def true_bbox_um(self) -> NDArray[np.float64]:
        """(G, 4) boxes of the labelled cells."""
        return self.field.bbox_xyxy.astype(np.float64) * self.mpp


def detect_fields(
    detector: Detector,
    fields: FieldSet,
    num_augmentations: int = NUM_AUGMENTATIONS,
    on_field: Callable[[], None] = lambda: None,
) -> list[DetectedField]:
    """What the detector reports of every field, as a slide's report would count it.

    Args:
        detector: loaded with its shipped thresholds.
        fields: that it did not learn from.
        num_augmentations: the original and so many less one changed copies.
        on_field: called after each.

    Raises:
        DatasetError: an image cannot be read.
    """
    detected = []
    for field in fields.fields:
        detected.append(_detect_field(detector, field, num_augmentations))
        on_field()
    return detected


def split_parts(
    detected: Sequence[DetectedField], classes: Sequence[CellClass], num_parts: int
) -> list[list[DetectedField]]:
    """The fields in parts that share no slide, alike in their worst cells and their number.

    Raises:
        DatasetError: the fields come from fewer slides than there are parts.
    """
    slides: dict[str, list[DetectedField]] = {}
    for field in detected:
        slides.setdefault(field.slide, []).append(field)
    if len(slides) < num_parts:
        raise DatasetError(
            f"{len(detected)} fields of {len(slides)} slides cannot be split in {num_parts} parts "
            "that share no slide: give more fields"
        )
    severity = np.array([each.severity for each in classes])

    def rank(fields: list[DetectedField]) -> tuple[int, int]:
        grades = severity[np.concatenate([field.field.label for field in fields])]
        worst = int(grades.max(initial=0))
        return worst, int((grades == worst).sum())

    parts: list[list[DetectedField]] = [[] for _ in range(num_parts)]
    for index, fields in enumerate(sorted(slides.values(), key=rank)):
        turn, place = divmod(index, num_parts)
        # There and back, so that no part always gets the larger of its neighbours.
        parts[place if turn % 2 == 0 else num_parts - 1 - place].extend(fields)
    return parts


def _detect_field(detector: Detector, field: Field, num_augmentations: int) -> DetectedField:
    mpp = detector.info.input.mpp
    pixels = resample_field(field, mpp).pixels
    by_augmentation = []
    for index in range(num_augmentations):
        # The same seed for every field of an augmentation, so that they change alike.
        rng = np.random.default_rng(index)
        changed = pixels if index == 0 else change_look(pixels, AUGMENTATION, rng)
        by_augmentation.append(_detect_cells(detector, changed, mpp))
    own_mpp = mpp if field.mpp is None else field.mpp
    return DetectedField(field, own_mpp, tuple(by_augmentation))


def _detect_cells(detector: Detector, pixels: NDArray[np.uint8], mpp: float) -> DetectedCells:
    merged = merge_detections(detector.detect(make_tile(pixels)), detector.info.merge_iou)
    height, width = pixels.shape[:2]
    bbox = np.clip(merged.bbox_xyxy.astype(np.float64), 0, [width, height] * 2)
    inside = ((bbox[:, 2:] - bbox[:, :2]) > 0).all(axis=1)
    xy_um = (bbox[:, :2] + bbox[:, 2:]) / 2 * mpp
    return DetectedCells(xy_um[inside], merged.label[inside], merged.score[inside])
