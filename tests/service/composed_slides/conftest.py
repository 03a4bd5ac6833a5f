"""Labelled fields drawn as spots, and what a detector with known faults finds on them."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.classes import BETHESDA
from models.data.coco import Field, FieldSet
from models.detector import Detections, TileBatch, spread_scores
from service.composed_slides.detected_fields import DetectedCells, DetectedField
from service.composed_slides.pieces import Pieces, cut_pieces
from tests.fake_detector import FakeDetector

MPP = 0.5
WIDTH, HEIGHT = 400, 320
NUM_CELLS, BOX_PX = 12, 40
#: Grey of the spot that stands for a class, told apart by `SpotDetector`.
GREY = (20, 50, 80, 110, 140, 170)
BACKGROUND = 235


def place_cells(rng: np.random.Generator) -> NDArray[np.float64]:
    """(NUM_CELLS, 2) centres on a jittered grid, px."""
    x, y = np.meshgrid(np.linspace(50, WIDTH - 50, 4), np.linspace(50, HEIGHT - 50, 3))
    return np.stack([x.ravel(), y.ravel()], axis=1) + rng.uniform(-10, 10, (NUM_CELLS, 2))


def draw_field(path: Path, centre: NDArray[np.float64], label: NDArray[np.int16]) -> None:
    pixels = np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.uint8)
    for (x, y), each in zip(centre, label, strict=True):
        cv2.circle(pixels, (round(x), round(y)), 12, (GREY[each],) * 3, -1)
    cv2.imwrite(str(path), pixels)


def make_field(path: Path, index: int) -> Field:
    """Every third field is negative; the others have some cells of a class that goes round."""
    rng = np.random.default_rng(index)
    label = np.zeros(NUM_CELLS, np.int16)
    if index % 3:
        label[: 1 + index % 4] = 1 + index % 5
    centre = place_cells(rng)
    draw_field(path, centre, label)
    half = BOX_PX / 2
    return Field(
        path=path,
        width=WIDTH,
        height=HEIGHT,
        mpp=MPP,
        fold=0,
        bbox_xyxy=np.hstack([centre - half, centre + half]).astype(np.float32),
        label=label,
        centre_xy=centre.astype(np.float32),
    )


@pytest.fixture(scope="session")
def fields(tmp_path_factory: pytest.TempPathFactory) -> FieldSet:
    folder = tmp_path_factory.mktemp("fields")
    made = tuple(make_field(folder / f"{index}.png", index) for index in range(24))
    return FieldSet(made, BETHESDA)


class SpotDetector(FakeDetector):
    """Finds every spot by its grey and so is never wrong."""

    def __init__(self) -> None:
        none = np.zeros(0, np.float32)
        super().__init__(none.reshape(0, 4), none.astype(np.int16), none)
        self.info = replace(self.info, input=replace(self.info.input, mpp=MPP))

    def detect(self, batch: TileBatch) -> Detections:
        boxes, labels, tiles = [np.zeros((0, 4))], list[int](), list[int]()
        for tile, pixels in enumerate(batch.pixels):
            spots = (pixels[..., 0] < 205).astype(np.uint8)
            _, _, stats, centre = cv2.connectedComponentsWithStats(spots)
            for (x, y), area in zip(centre[1:], stats[1:, cv2.CC_STAT_AREA], strict=True):
                if area < 100:
                    continue
                grey = float(pixels[round(y), round(x), 0])
                labels.append(int(np.argmin(np.abs(np.array(GREY) - grey))))
                box = np.array([[x - 20, y - 20, x + 20, y + 20]]) * batch.downsample
                boxes.append(box + np.tile(batch.origin_xy[tile], 2))
                tiles.append(tile)
        score, label = np.full(len(labels), 0.9, np.float32), np.array(labels, np.int16)
        return Detections(
            np.concatenate(boxes).astype(np.float32),
            score,
            label,
            np.array(tiles, np.int32),
            spread_scores(score, label, len(BETHESDA)),
        )


def detect_with_faults(field: Field, rng: np.random.Generator) -> DetectedCells:
    """Of the cells a tenth is missed, and 1 % of the negative ones is called ASC-US."""
    label = field.label.copy()
    label[(label == 0) & (rng.random(len(label)) < 0.01)] = 1
    kept = rng.random(len(label)) >= 0.1
    centre = field.centre_xy.astype(np.float64) * MPP
    return DetectedCells(centre[kept], label[kept], np.full(kept.sum(), 0.8, np.float32))


@pytest.fixture(scope="session")
def detected(fields: FieldSet) -> list[DetectedField]:
    """Two augmentations under a detector that is mostly right."""
    rng = np.random.default_rng(5)
    return [
        DetectedField(field, MPP, tuple(detect_with_faults(field, rng) for _ in range(2)))
        for field in fields.fields
    ]


@pytest.fixture(scope="session")
def pieces(detected: list[DetectedField]) -> Pieces:
    return cut_pieces(detected, BETHESDA)
