"""Writes planned fields as images/ and COCO annotations.json: all files or none.

Owns the files; fields, classes and folds are chosen by the other modules of this package.
"""

import errno
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from models.atomic_write import move_into_place
from models.classes import CellClass
from service.errors import CytolibraError, DatasetError, NoSpaceError, SlideUnreadableError
from service.pipeline.batches import resize_pixels
from service.pipeline.geometry import best_level
from service.pipeline.slide import Slide, open_slide
from service.training_fields.folds import Folds
from service.training_fields.types import CutOptions, LabelledSlide, PlannedField

ANNOTATIONS, IMAGES = "annotations.json", "images"
Pixels = NDArray[np.uint8]

#: Decimals of boxes, px of the field.
DECIMALS = 3


@dataclass(frozen=True)
class FieldsToWrite:
    """Planned fields with their slides, folds and classes.

    Attributes:
        slides: all slides.
        fields: in the order of their slides.
        folds: a fold for each field.
        classes: in label order.
    """

    slides: Sequence[LabelledSlide]
    fields: Sequence[PlannedField]
    folds: Folds
    classes: Sequence[CellClass]


def check_empty(output: Path) -> None:
    """Refuses a folder that is not empty, apart from hidden files.

    Raises:
        DatasetError: the folder is not empty.
    """
    if output.is_dir() and any(not path.name.startswith(".") for path in output.iterdir()):
        raise DatasetError(f"{output} is not empty: name another folder with -o, or delete it")


def write_fields(
    output: Path,
    planned: FieldsToWrite,
    options: CutOptions,
    on_field: Callable[[int, int], None] = lambda num_done, num_total: None,
) -> list[PlannedField]:
    """The fields that are left out because the slide is damaged there; all others are written.

    Args:
        output: folder that `cytolibra train` reads; must be empty or missing.
        planned: fields to write.
        options: for the slides' µm/px.
        on_field: called with the number of finished fields and the number of all fields.

    Raises:
        NoSpaceError: the disk is full; no file is left.
        DatasetError: the folder cannot be written or no field can be read; no file is left.
    """
    existed = output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=output) as folder:
            damaged = _write_into(Path(folder), planned, options, on_field)
            move_into_place(Path(folder) / IMAGES, output / IMAGES)
            # Last, so that a folder with annotations.json is a complete data set.
            move_into_place(Path(folder) / ANNOTATIONS, output / ANNOTATIONS)
    except OSError as error:
        raise _explain(output, error) from error
    finally:
        if not existed and output.is_dir() and not any(output.iterdir()):
            output.rmdir()
    return damaged


def _explain(output: Path, error: OSError) -> CytolibraError:
    reason = f"the fields cannot be written to {output}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(f"{reason}; free some space or name another folder with -o")
    return DatasetError(f"{reason}; name another folder with -o")


def _write_into(
    folder: Path, planned: FieldsToWrite, options: CutOptions, on_field: Callable[[int, int], None]
) -> list[PlannedField]:
    (folder / IMAGES).mkdir()
    images: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    damaged: list[PlannedField] = []
    for index, slide in enumerate(planned.slides):
        for field, fold, pixels in _read_slide(index, planned, options):
            if pixels is None:
                damaged.append(field)
            else:
                images.append(_describe_image(len(images) + 1, slide, field, fold))
                cells += _describe_cells(len(cells) + 1, len(images), slide, field, planned)
                _write_image(folder / IMAGES / images[-1]["file_name"], pixels)
            on_field(len(images) + len(damaged), len(planned.fields))
    if not images:
        raise DatasetError(f"none of {len(damaged)} fields can be read: scan the slides again")
    _write_json(folder / ANNOTATIONS, images, cells, planned)
    return damaged


def _read_slide(
    index: int, planned: FieldsToWrite, options: CutOptions
) -> Iterator[tuple[PlannedField, int, Pixels | None]]:
    """(field, fold, pixels) for the fields of a slide; pixels are None where it is damaged."""
    with open_slide(planned.slides[index].source.slide, options.slide_mpp) as slide:
        for field, fold in zip(planned.fields, planned.folds.fold, strict=True):
            if field.slide == index:
                try:
                    pixels = read_field(slide, field)
                except SlideUnreadableError:
                    yield field, fold, None
                else:
                    blank_other_cells(pixels, field, planned.slides[index])
                    yield field, fold, pixels


def read_field(slide: Slide, field: PlannedField) -> Pixels:
    """Pixels of a field, (H, W, 3) uint8 RGB; unlabelled area has the background's colour.

    Raises:
        SlideUnreadableError: the slide is damaged there.
    """
    downsamples = slide.info.level_downsamples
    level = best_level(downsamples, field.width / field.size_px[0])
    size = (max(1, round(side / downsamples[level])) for side in (field.width, field.height))
    pixels = resize_pixels(slide.read_region(field.x, field.y, level, *size), field.size_px).copy()
    if field.region is not None:
        pixels[~_draw_region(field)] = slide.info.background_rgb
    return pixels


def blank_other_cells(pixels: Pixels, field: PlannedField, slide: LabelledSlide) -> None:
    """Blanks, in place, the visible parts of cells that belong to neighbouring fields.

    A cell on a seam is labelled in a single field; its visible part in the other would be learned
    as background.
    """
    bbox = field.bbox_xyxy_field(slide.annotations.bbox_xyxy)
    is_other_cell = np.asarray((bbox[:, 2:] > bbox[:, :2]).all(axis=1), np.bool_)
    is_other_cell[field.cells] = False
    blank = np.zeros(pixels.shape[:2], np.bool_)
    for corners, value in ((bbox[is_other_cell], True), (bbox[field.cells], False)):
        for x1, y1, x2, y2 in np.rint(corners).astype(np.int64):
            blank[y1:y2, x1:x2] = value
    pixels[blank] = slide.info.background_rgb


def _draw_region(field: PlannedField) -> NDArray[np.bool_]:
    """(H, W) bool mask of the labelled area of a field."""
    mask = np.zeros(field.size_px[::-1], np.uint8)
    for part in shapely.get_parts(field.region):
        if part.geom_type == "Polygon":
            rings = [part.exterior, *part.interiors]
            outlines = [field.to_field(shapely.get_coordinates(ring)) for ring in rings]
            polygon_mask = np.zeros_like(mask)
            cv2.fillPoly(polygon_mask, [np.rint(line).astype(np.int32) for line in outlines], 1)
            mask |= polygon_mask
    return mask.astype(np.bool_)


def _write_image(path: Path, pixels: Pixels) -> None:
    is_encoded, data = cv2.imencode(".png", pixels[:, :, ::-1])
    if not is_encoded:
        raise OSError(f"{path.name} cannot be encoded as PNG")
    path.write_bytes(data.tobytes())


def _describe_image(
    image_id: int, slide: LabelledSlide, field: PlannedField, fold: int
) -> dict[str, Any]:
    return {
        "id": image_id,
        "file_name": f"{slide.name}_{image_id:05d}_x{field.x}_y{field.y}.png",
        "width": field.size_px[0],
        "height": field.size_px[1],
        "mpp": float(slide.info.mpp / field.scale_xy.mean()),
        "fold": fold,
        "slide": slide.name,
        "x": field.x,
        "y": field.y,
        "width_level0": field.width,
        "height_level0": field.height,
    }


def _describe_cells(
    first_id: int, image_id: int, slide: LabelledSlide, field: PlannedField, planned: FieldsToWrite
) -> list[dict[str, Any]]:
    names = [cell_class.name for cell_class in planned.classes]
    annotations = slide.annotations
    bbox = field.bbox_xyxy_field(annotations.bbox_xyxy[field.cells])
    nucleus = field.to_field(annotations.nucleus_xy[field.cells])
    size = bbox[:, 2:] - bbox[:, :2]
    return [
        {
            "id": first_id + position,
            "image_id": image_id,
            "category_id": names.index(annotations.class_name[cell]) + 1,
            "bbox": np.round([*bbox[position, :2], *size[position]], DECIMALS).tolist(),
            "area": round(float(size[position].prod()), DECIMALS),
            "iscrowd": 0,
            "nucleus": np.round(nucleus[position], DECIMALS).tolist(),
        }
        for position, cell in enumerate(field.cells.tolist())
    ]


def _write_json(
    path: Path, images: list[dict[str, Any]], cells: list[dict[str, Any]], planned: FieldsToWrite
) -> None:
    content = {
        "info": {"description": "fields cut out of whole slides", "folds": planned.folds.rule},
        "categories": [
            {
                "id": label + 1,
                "name": cell_class.name,
                "color": cell_class.color,
                "severity": cell_class.severity,
            }
            for label, cell_class in enumerate(planned.classes)
        ],
        "images": images,
        "annotations": cells,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
