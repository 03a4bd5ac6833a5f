"""Labelled fields read from a folder with `images/` and COCO `annotations.json`, and checked.

Pixels are read by `read_field_pixels`; cropping and augmentation are left to the other files here.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.classes import BETHESDA, CellClass
from models.errors import DatasetError

#: Colours for classes that are not of the Bethesda list, in turn.
PALETTE: tuple[tuple[int, int, int], ...] = (
    (0, 121, 107),
    (25, 118, 210),
    (194, 24, 91),
    (93, 64, 55),
    (85, 139, 47),
    (69, 90, 100),
)


@dataclass(frozen=True)
class Field:
    """One labelled image.

    Attributes:
        path: of the image file.
        width, height: px.
        mpp: µm/px, or None where the annotations do not say.
        fold: cross-validation fold, or None.
        bbox_xyxy: (N, 4) float32, px of the image, clipped to it.
        label: (N,) int16, index into the dataset's classes.
        centre_xy: (N, 2) float32, px: the nucleus where given, else the box's centre.
    """

    path: Path
    width: int
    height: int
    mpp: float | None
    fold: int | None
    bbox_xyxy: NDArray[np.float32]
    label: NDArray[np.int16]
    centre_xy: NDArray[np.float32]


@dataclass(frozen=True)
class FieldSet:
    """Fields and the classes that their labels index."""

    fields: tuple[Field, ...]
    classes: tuple[CellClass, ...]

    @property
    def num_cells(self) -> int:
        """Labelled cells over all fields."""
        return sum(len(field.label) for field in self.fields)

    def count_cells(self) -> NDArray[np.int64]:
        """Cells by class, (C,) int64."""
        label = np.concatenate([field.label for field in self.fields] or [np.zeros(0, np.int16)])
        return np.bincount(label, minlength=len(self.classes))

    def only_fold(self, fold: int) -> "FieldSet":
        """The fields of one fold.

        Raises:
            DatasetError: no field is of this fold.
        """
        return self._select(fold, inside=True)

    def without_fold(self, fold: int) -> "FieldSet":
        """The fields of all other folds.

        Raises:
            DatasetError: no field is of this fold, or no other is left.
        """
        self._select(fold, inside=True)
        return self._select(fold, inside=False)

    def _select(self, fold: int, *, inside: bool) -> "FieldSet":
        chosen = tuple(field for field in self.fields if (field.fold == fold) == inside)
        if not chosen:
            folds = sorted({field.fold for field in self.fields if field.fold is not None})
            raise DatasetError(
                f"no field {'in' if inside else 'outside'} fold {fold}: the folds are {folds}"
            )
        return FieldSet(chosen, self.classes)


def read_coco(folder: Path) -> FieldSet:
    """The fields of a folder.

    Args:
        folder: holds `annotations.json` and `images/`. Images may state `mpp` and `fold`;
            annotations may state `nucleus` [x, y]; categories may state `color` and `severity`.

    Returns:
        Fields in file order; labels follow ascending category id.

    Raises:
        DatasetError: the folder, a file or an entry is missing or wrong; names which.
    """
    content = _read_json(folder / "annotations.json")
    categories = sorted(_entries(content, "categories", folder), key=lambda entry: entry["id"])
    if not categories:
        raise DatasetError(f"{folder / 'annotations.json'} lists no categories")
    label_of = {entry["id"]: label for label, entry in enumerate(categories)}
    images = _entries(content, "images", folder)
    cells: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in images}
    for cell in _entries(content, "annotations", folder):
        if cell.get("image_id") not in cells:
            raise DatasetError(f"annotation {cell.get('id')}: no image {cell.get('image_id')}")
        if cell.get("category_id") not in label_of:
            raise DatasetError(
                f"annotation {cell.get('id')}: category {cell.get('category_id')} is not among "
                f"the categories {sorted(label_of)}"
            )
        if not cell.get("iscrowd"):
            cells[cell["image_id"]].append(cell)
    fields = tuple(_make_field(folder, image, cells[image["id"]], label_of) for image in images)
    if not fields:
        raise DatasetError(f"{folder / 'annotations.json'} lists no images")
    return FieldSet(fields, _make_classes(categories))


def read_field_pixels(field: Field) -> NDArray[np.uint8]:
    """Pixels of a field, (H, W, 3) uint8, RGB.

    Raises:
        DatasetError: the image cannot be decoded or has another size than stated.
    """
    pixels = cv2.imread(str(field.path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise DatasetError(f"{field.path} cannot be decoded as an image")
    if pixels.shape[:2] != (field.height, field.width):
        raise DatasetError(
            f"{field.path} is {pixels.shape[1]}x{pixels.shape[0]} px, but annotations.json says "
            f"{field.width}x{field.height}"
        )
    return np.ascontiguousarray(pixels[:, :, ::-1], dtype=np.uint8)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path} does not exist: a folder with images/ and annotations.json is needed"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DatasetError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} is not a COCO file: its top level must be an object")
    return content


def _entries(content: dict[str, Any], key: str, folder: Path) -> list[dict[str, Any]]:
    entries = content.get(key)
    if not isinstance(entries, list) or any(
        not isinstance(entry, dict) or "id" not in entry for entry in entries
    ):
        raise DatasetError(
            f"{folder / 'annotations.json'}: {key!r} must be a list of objects with an 'id'"
        )
    ids = [entry["id"] for entry in entries]
    if len(set(ids)) != len(ids):
        raise DatasetError(f"{folder / 'annotations.json'}: ids in {key!r} are not unique")
    return entries


def _make_classes(categories: list[dict[str, Any]]) -> tuple[CellClass, ...]:
    known = {cell_class.name: cell_class for cell_class in BETHESDA}
    classes = []
    for label, entry in enumerate(categories):
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise DatasetError(f"category {entry['id']} has no name")
        like = known.get(name, CellClass(name, PALETTE[label % len(PALETTE)], min(label, 1)))
        red, green, blue = entry.get("color", like.color)
        classes.append(
            CellClass(name, (int(red), int(green), int(blue)), entry.get("severity", like.severity))
        )
    return tuple(classes)


def _make_field(
    folder: Path, image: dict[str, Any], cells: list[dict[str, Any]], label_of: dict[int, int]
) -> Field:
    try:
        path = folder / "images" / str(image["file_name"])
        width, height = int(image["width"]), int(image["height"])
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"image {image['id']}: file_name, width and height are needed"
        ) from error
    if not path.resolve().is_relative_to((folder / "images").resolve()) or not path.is_file():
        raise DatasetError(f"image {image['id']}: {path} does not exist in {folder / 'images'}")
    boxes = [_clip_box(cell, width, height) for cell in cells]
    bbox = np.array(boxes, np.float32).reshape(-1, 4)
    centres = [
        cell.get("nucleus", ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
        for cell, box in zip(cells, boxes, strict=True)
    ]
    return Field(
        path=path,
        width=width,
        height=height,
        mpp=image.get("mpp"),
        fold=image.get("fold"),
        bbox_xyxy=bbox,
        label=np.array([label_of[cell["category_id"]] for cell in cells], np.int16),
        centre_xy=np.array(centres, np.float32).reshape(-1, 2),
    )


def _clip_box(cell: dict[str, Any], width: int, height: int) -> tuple[float, float, float, float]:
    try:
        x, y, w, h = (float(value) for value in cell["bbox"])
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"annotation {cell['id']}: bbox must be [x, y, width, height]"
        ) from error
    x1, y1, x2, y2 = max(x, 0.0), max(y, 0.0), min(x + w, width), min(y + h, height)
    if not (w > 0 and h > 0 and x2 > x1 and y2 > y1):
        raise DatasetError(
            f"annotation {cell['id']}: bbox {cell['bbox']} has no area inside its "
            f"{width}x{height} px image"
        )
    return x1, y1, x2, y2
