"""Labelled fields and what a detector reports of them, under several looks of the same slide.

Slides differ in stain, light and focus; all fields of one look differ from the original alike.
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

NUM_LOOKS = 4
#: As far as training changes them; geometry is left alone.
LOOK = Augmentation(
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
class Found:
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
class SeenField:
    """A labelled field in µm from its top left corner, and what was found on it.

    Attributes:
        field: where it comes from; its pixels and labels.
        mpp: µm per px of the field.
        found: one per look; the first is the field as it is.
    """

    field: Field
    mpp: float
    found: tuple[Found, ...]

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


def see_fields(
    detector: Detector,
    fields: FieldSet,
    num_looks: int = NUM_LOOKS,
    on_field: Callable[[], None] = lambda: None,
) -> list[SeenField]:
    """What the detector reports of every field, as a slide's report would count it.

    Args:
        detector: loaded with its shipped thresholds.
        fields: that it did not learn from.
        num_looks: the original and so many less one changed copies.
        on_field: called after each.

    Raises:
        DatasetError: an image cannot be read.
    """
    seen = []
    for field in fields.fields:
        seen.append(_see_field(detector, field, num_looks))
        on_field()
    return seen


def split_parts(
    seen: Sequence[SeenField], classes: Sequence[CellClass], num_parts: int
) -> list[list[SeenField]]:
    """The fields in parts that share none, alike in their worst cells and their number.

    Raises:
        DatasetError: there are fewer fields than parts.
    """
    if len(seen) < num_parts:
        raise DatasetError(
            f"{len(seen)} fields cannot be split in {num_parts} parts: give more fields"
        )
    severity = np.array([one.severity for one in classes])

    def rank(one: SeenField) -> tuple[int, int]:
        grades = severity[one.field.label]
        worst = int(grades.max(initial=0))
        return worst, int((grades == worst).sum())

    ordered = sorted(seen, key=rank)
    parts: list[list[SeenField]] = [[] for _ in range(num_parts)]
    for index, one in enumerate(ordered):
        turn, place = divmod(index, num_parts)
        # There and back, so that no part always gets the larger of its neighbours.
        parts[place if turn % 2 == 0 else num_parts - 1 - place].append(one)
    return parts


def _see_field(detector: Detector, field: Field, num_looks: int) -> SeenField:
    mpp = detector.info.input.mpp
    pixels = resample_field(field, mpp).pixels
    found = []
    for look in range(num_looks):
        # The same seed for every field of a look, so that they change alike.
        rng = np.random.default_rng(look)
        changed = pixels if look == 0 else change_look(pixels, LOOK, rng)
        found.append(_find(detector, changed, mpp))
    return SeenField(field, mpp if field.mpp is None else field.mpp, tuple(found))


def _find(detector: Detector, pixels: NDArray[np.uint8], mpp: float) -> Found:
    merged = merge_detections(detector.detect(make_tile(pixels)), detector.info.merge_iou)
    height, width = pixels.shape[:2]
    bbox = np.clip(merged.bbox_xyxy.astype(np.float64), 0, [width, height] * 2)
    inside = ((bbox[:, 2:] - bbox[:, :2]) > 0).all(axis=1)
    xy_um = (bbox[:, :2] + bbox[:, 2:]) / 2 * mpp
    return Found(xy_um[inside], merged.label[inside], merged.score[inside])
