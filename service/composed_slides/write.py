"""Writes a composed slide as a real one: pieces of fields, turned, on a plain ground.

Its truth lies beside it. Pieces lie in rows; strips of the slide are painted as the writer asks
for them, so that only the fields last used are held.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.atomic_write import write_atomically, write_text_atomically
from models.classes import CellClass
from models.data.field_pixels import read_field_pixels
from models.data.resample import resample_pixels
from models.phantom import truth_path
from models.phantom.aperio import STRIP_PX, AperioFacts, write_aperio
from models.phantom.truth import boxes_to_geojson
from service.composed_slides.detected_fields import DetectedField
from service.composed_slides.pieces import Pieces
from service.errors import DatasetError

MPP = 0.25
#: Between pieces, so that no cell is made of two.
GAP_PX = 60
#: Bare glass under a white-balanced scanner; smears like CRIC's have a darker ground of their own.
GLASS = (244, 243, 245)
GROUND_PERCENTILE = 90
SCANNER = "CytoLibra composed"
FIELDS_HELD = 16


@dataclass(frozen=True)
class Placed:
    """A piece on the slide, level-0 px.

    Attributes:
        piece: index.
        x, y: of its top left corner, after turning.
        width, height: after turning.
        turns: quarter turns counterclockwise, after mirroring.
        mirrored: left to right.
    """

    piece: int
    x: int
    y: int
    width: int
    height: int
    turns: int
    mirrored: bool


def write_slide(
    path: Path,
    detected: Sequence[DetectedField],
    pieces: Pieces,
    times: NDArray[np.int64],
    classes: Sequence[CellClass],
    ground: tuple[int, int, int],
    seed: int,
) -> Path:
    """Writes a slide and, beside it, its truth.

    Args:
        path: of the slide, *.svs; replaced at once or not at all.
        detected: the fields that the pieces were cut from.
        pieces: all of them.
        times: (P,) how often each is on the slide, from `draw_pieces`.
        classes: in label order.
        ground: colour between the pieces.
        seed: of order and turns.

    Returns:
        Where the truth lies.

    Raises:
        DatasetError: an image cannot be read or the slide cannot be written.
    """
    placed, width, height = _lay_out(pieces, times, np.random.default_rng(seed))
    truth = truth_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        strips = _paint_strips(detected, pieces, placed, (width, height), ground)
        with write_atomically(path) as part:
            write_aperio(part, AperioFacts(width, height, MPP, SCANNER), strips)
            bbox, label = _place_cells(detected, pieces, placed)
            cells = boxes_to_geojson(bbox, [classes[index] for index in label], path.stem)
            write_text_atomically(truth, cells)
    except OSError as error:
        raise DatasetError(f"{path} cannot be written: {error.strerror or error}") from error
    return truth


def ground_of(detected: Sequence[DetectedField]) -> tuple[int, int, int]:
    """The colour of what lies between the cells of these fields, RGB.

    Raises:
        DatasetError: an image cannot be read.
    """
    grounds = [
        np.percentile(read_field_pixels(field.field), GROUND_PERCENTILE, axis=(0, 1))
        for field in detected
    ]
    red, green, blue = np.rint(np.median(grounds, axis=0)).astype(int).tolist()
    return red, green, blue


def turn_boxes(
    bbox_xyxy: NDArray[np.float64], width: float, height: float, turns: int, mirrored: bool
) -> NDArray[np.float64]:
    """(N, 4) boxes of a picture of this width and height after mirroring and turning it."""
    x1, y1, x2, y2 = bbox_xyxy.T
    if mirrored:
        x1, x2 = width - x2, width - x1
    for _ in range(turns):
        x1, y1, x2, y2 = y1, width - x2, y2, width - x1
        width, height = height, width
    return np.stack([x1, y1, x2, y2], axis=1)


def _lay_out(
    pieces: Pieces, times: NDArray[np.int64], rng: np.random.Generator
) -> tuple[list[Placed], int, int]:
    """Pieces in rows of about the slide's width, which makes it about square; width and height."""
    order = rng.permutation(np.repeat(np.arange(len(times)), times))
    sides = np.maximum(
        1, np.rint((pieces.xyxy_um[order, 2:] - pieces.xyxy_um[order, :2]) / MPP)
    ).astype(int)
    area = float((sides + GAP_PX).prod(axis=1).sum())
    row_px = max(STRIP_PX, int(1.15 * area**0.5))
    placed, x, y, row_height, width = [], GAP_PX, GAP_PX, 0, 0
    for piece, (side_x, side_y) in zip(order.tolist(), sides.tolist(), strict=True):
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        across, down = (side_x, side_y) if turns % 2 == 0 else (side_y, side_x)
        if x > GAP_PX and x + across > row_px:
            x, y, row_height = GAP_PX, y + row_height + GAP_PX, 0
        placed.append(Placed(piece, x, y, across, down, turns, mirrored))
        x += across + GAP_PX
        width, row_height = max(width, x), max(row_height, down)
    return placed, max(width, STRIP_PX), max(y + row_height + GAP_PX, STRIP_PX)


def _paint_strips(
    detected: Sequence[DetectedField],
    pieces: Pieces,
    placed: Sequence[Placed],
    size: tuple[int, int],
    ground: tuple[int, int, int],
) -> Iterator[NDArray[np.uint8]]:
    width, height = size
    read = lru_cache(maxsize=FIELDS_HELD)(lambda index: read_field_pixels(detected[index].field))
    for top in range(0, height, STRIP_PX):
        rows = min(STRIP_PX, height - top)
        strip = np.full((rows, width, 3), ground, np.uint8)
        for piece in placed:
            first, last = max(piece.y, top), min(piece.y + piece.height, top + rows)
            if first < last:
                picture = _cut_picture(detected, pieces, piece, read)
                strip[first - top : last - top, piece.x : piece.x + piece.width] = picture[
                    first - piece.y : last - piece.y
                ]
        yield strip


def _cut_picture(
    detected: Sequence[DetectedField],
    pieces: Pieces,
    placed: Placed,
    read: Callable[[int], NDArray[np.uint8]],
) -> NDArray[np.uint8]:
    """(height, width, 3) pixels of a piece as it lies on the slide."""
    index = int(pieces.field_index[placed.piece])
    scale = detected[index].mpp / MPP
    x1, y1, x2, y2 = np.rint(pieces.xyxy_um[placed.piece] / detected[index].mpp).astype(int)
    picture = resample_pixels(read(index)[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)], scale)
    picture = np.rot90(picture[:, ::-1] if placed.mirrored else picture, placed.turns)
    missing = [
        (0, max(0, due - present))
        for due, present in zip((placed.height, placed.width), picture.shape[:2], strict=True)
    ]
    # Rounding may leave a px at the edge.
    padded = np.pad(picture, [*missing, (0, 0)], mode="edge")
    return np.asarray(padded[: placed.height, : placed.width], np.uint8)


def _place_cells(
    detected: Sequence[DetectedField], pieces: Pieces, placed: Sequence[Placed]
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Boxes (N, 4) float32 level-0 px, clipped to their pieces, and labels (N,) of all cells."""
    boxes, labels = [np.zeros((0, 4))], [np.zeros(0, np.int16)]
    for piece in placed:
        field = detected[int(pieces.field_index[piece.piece])]
        corner, end = np.split(pieces.xyxy_um[piece.piece], 2)
        centre = field.true_xy_um
        inside = np.all((centre >= corner) & (centre < end), axis=1)
        size = (end - corner) / MPP
        bbox = (field.true_bbox_um[inside] - np.tile(corner, 2)) / MPP
        bbox = np.clip(bbox, 0, np.tile(size, 2))
        turned = turn_boxes(bbox, size[0], size[1], piece.turns, piece.mirrored)
        boxes.append(turned + [piece.x, piece.y] * 2)
        labels.append(field.field.label[inside])
    return np.concatenate(boxes).astype(np.float32), np.concatenate(labels)
