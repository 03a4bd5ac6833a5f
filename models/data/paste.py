"""Cells of rare classes pasted into other fields, so that rare classes have many backgrounds.

A nucleus is cut out with its surroundings and blended in by matching gradients, so that there is no
visible seam for a network to learn. Source of the blending: Pérez et al., "Poisson image editing",
SIGGRAPH 2003, doi:10.1145/1201775.882269, as OpenCV's `seamlessClone`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data.resample import Sample

#: Side of a cut-out as a multiple of its cell's box: a nucleus keeps some of its cytoplasm.
CUT_FACTOR = 1.8
#: Cells tried for in one crop, and places tried for each: the most similar place is taken.
MAX_CELLS, MAX_TRIES = 3, 24
#: Grey levels by which a cut-out's rim may differ from its place: blending would tint the cell.
MAX_DIFFERENCE = 25.0
#: Cells in the sample below which a class is pasted.
RARE_BELOW = 300


@dataclass(frozen=True)
class CutOut:
    """A cell with its surroundings.

    Attributes:
        pixels: (S, S, 3) uint8, RGB, at the detector's µm/px, the cell in its middle.
        size_px: width and height of the cell's box.
        label: its class.
    """

    pixels: NDArray[np.uint8]
    size_px: tuple[float, float]
    label: int


def cut_rare_cells(fields: Sequence[Sample], num_classes: int) -> list[CutOut]:
    """Every cell of a class with fewer than `RARE_BELOW` cells that lies well inside its field.

    Cells whose surroundings hold another labelled nucleus are left out: it would be pasted without
    its label and learned as background.
    """
    labels = np.concatenate([field.label for field in fields] or [np.zeros(0, np.int16)])
    counts = np.bincount(labels, minlength=num_classes)
    cuts = []
    for field in fields:
        for index, label in enumerate(field.label):
            if counts[label] < RARE_BELOW and (cut := _cut(field, index)) is not None:
                cuts.append(cut)
    return cuts


def paste_cells(sample: Sample, cuts: Sequence[CutOut], rng: np.random.Generator) -> Sample:
    """The sample with up to `MAX_CELLS` of the cut-outs pasted at similar places without a cell.

    Args:
        sample: a crop, pixels and boxes in its own frame.
        cuts: of `cut_rare_cells`, classes drawn evenly; none pastes nothing.
        rng: source of all randomness.
    """
    if not cuts:
        return sample
    by_class: dict[int, list[CutOut]] = {}
    for cut in cuts:
        by_class.setdefault(cut.label, []).append(cut)
    classes = sorted(by_class)
    for _ in range(int(rng.integers(1, MAX_CELLS + 1))):
        candidates = by_class[classes[int(rng.integers(len(classes)))]]
        sample = _paste(sample, candidates[int(rng.integers(len(candidates)))], rng)
    return sample


def _cut(field: Sample, index: int) -> CutOut | None:
    box = field.bbox_xyxy[index]
    width, height = float(box[2] - box[0]), float(box[3] - box[1])
    half = round(max(width, height) * CUT_FACTOR / 2)
    x, y = round(float(box[0] + box[2]) / 2), round(float(box[1] + box[3]) / 2)
    rows, columns = field.pixels.shape[:2]
    if half < 4 or x < half or y < half or x + half > columns or y + half > rows:
        return None
    centre = (field.bbox_xyxy[:, :2] + field.bbox_xyxy[:, 2:]) / 2
    if (np.abs(centre - (x, y)) < half).all(axis=1).sum() > 1:
        return None
    pixels = field.pixels[y - half : y + half, x - half : x + half].copy()
    return CutOut(pixels, (width, height), int(field.label[index]))


def _paste(sample: Sample, cut: CutOut, rng: np.random.Generator) -> Sample:
    turns = int(rng.integers(4))
    turned = np.rot90(cut.pixels, turns)
    if rng.random() < 0.5:
        turned = turned[:, ::-1]
    side = turned.shape[0]
    size = sample.pixels.shape[0]
    if side + 4 > size:
        return sample
    places = [
        low
        for low in rng.integers(2, size - side - 1, size=(MAX_TRIES, 2))
        if not _touches_any(np.array([*low, *(low + side)], np.float32), sample.bbox_xyxy)
    ]
    rim = _rim(turned)
    differences = [
        float(np.abs(_rim(sample.pixels[y : y + side, x : x + side]) - rim).max())
        for x, y in places
    ]
    if not differences or min(differences) > MAX_DIFFERENCE:
        return sample
    low = places[int(np.argmin(differences))]
    pixels = _blend(sample.pixels, turned, low)
    half = np.array(cut.size_px[:: -1 if turns % 2 else 1], np.float32) / 2
    centre = (low + side / 2).astype(np.float32)
    box = np.concatenate([centre - half, centre + half])[None]
    return Sample(
        pixels,
        np.concatenate([sample.bbox_xyxy, box]).astype(np.float32),
        np.append(sample.label, np.int16(cut.label)),
    )


def _rim(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(3,) mean colour of a square's outermost pixels."""
    edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    return np.asarray(np.concatenate(edges).mean(axis=0), np.float64)


def _touches_any(place: NDArray[np.float32], bbox: NDArray[np.float32]) -> bool:
    apart = (bbox[:, :2] >= place[2:]).any(axis=1) | (bbox[:, 2:] <= place[:2]).any(axis=1)
    return bool((~apart).any())


def _blend(
    pixels: NDArray[np.uint8], cut: NDArray[np.uint8], low: NDArray[np.int64]
) -> NDArray[np.uint8]:
    side = cut.shape[0]
    mask = np.zeros((side, side), np.uint8)
    cv2.circle(mask, (side // 2, side // 2), side // 2 - 2, 255, thickness=-1)
    # The place itself with a margin: the solver's cost grows with the picture it is given.
    top, left = int(low[1]) - 2, int(low[0]) - 2
    window = pixels[top : top + side + 4, left : left + side + 4]
    middle = (window.shape[1] // 2, window.shape[0] // 2)
    blended = cv2.seamlessClone(
        np.ascontiguousarray(cut), np.ascontiguousarray(window), mask, middle, cv2.NORMAL_CLONE
    )
    result = pixels.copy()
    result[top : top + side + 4, left : left + side + 4] = blended
    return result
