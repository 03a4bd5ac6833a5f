"""Labelled fields read from a folder with `images/` and COCO `annotations.json`, and checked.

Pixels are read in `field_pixels.py`; single entries are checked in `coco_entries.py`.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.classes import BETHESDA, CellClass
from models.data.coco_entries import (
    CocoCategory,
    CocoCell,
    CocoImage,
    Id,
    Json,
    check_reference,
    clip_box,
    find_file,
    list_entries,
    read_entry,
    read_json,
)
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
    """A labelled image.

    Attributes:
        path: of the image file.
        width, height: px.
        mpp: µm/px, or None where the annotations do not say.
        fold: cross-validation fold, or None.
        bbox_xyxy: (N, 4) float32, px of the image, clipped to it.
        label: (N,) int16, index into the dataset's classes.
        centre_xy: (N, 2) float32, px: the nucleus where given, else the box's centre.
        slide: name of the slide that the image is of, or None where the annotations do not say.
    """

    path: Path
    width: int
    height: int
    mpp: float | None
    fold: int | None
    bbox_xyxy: NDArray[np.float32]
    label: NDArray[np.int16]
    centre_xy: NDArray[np.float32]
    slide: str | None = None


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

    def digest(self) -> str:
        """Hash of classes, file names, µm/px, boxes and labels: what is learned, but for pixels."""
        hasher = hashlib.sha256(
            repr([(cell_class.name, cell_class.severity) for cell_class in self.classes]).encode()
        )
        for field in self.fields:
            hasher.update(f"{field.path.name} {field.mpp}".encode())
            hasher.update(field.bbox_xyxy.tobytes() + field.label.tobytes())
        return hasher.hexdigest()

    def _select(self, fold: int, *, inside: bool) -> "FieldSet":
        chosen = tuple(field for field in self.fields if (field.fold == fold) == inside)
        if not chosen:
            folds = sorted({field.fold for field in self.fields if field.fold is not None})
            remedy = f"the folds are {folds}: choose one of these"
            if not folds:
                remedy = 'annotations.json states none: give every image its "fold"'
            elif not inside:
                remedy = "all are in it: split them, or hold none out"
            raise DatasetError(f"no field {'in' if inside else 'outside'} fold {fold}: {remedy}")
        return FieldSet(chosen, self.classes)


def read_coco(folder: Path) -> FieldSet:
    """The fields of a folder.

    Args:
        folder: holds `annotations.json` and `images/`. Images may state `mpp`, `fold` and `slide`;
            annotations may state `nucleus` [x, y]; categories may state `color` and `severity`.

    Returns:
        Fields in file order; labels follow ascending category id.

    Raises:
        DatasetError: the folder, a file or an entry is missing or wrong; names which.
    """
    path = folder / "annotations.json"
    content = read_json(path)
    listed = sorted(list_entries(content, "categories", path), key=lambda entry: entry["id"])
    if not listed:
        raise DatasetError(f"{path} lists no categories: name at least one class of cell")
    listed_images = list_entries(content, "images", path)
    if not listed_images:
        raise DatasetError(f"{path} lists no images: list at least one")
    categories = [read_entry(CocoCategory, "category", entry) for entry in listed]
    label_of = {category.id: label for label, category in enumerate(categories)}
    images = [read_entry(CocoImage, "image", entry) for entry in listed_images]
    cells = _group_cells(list_entries(content, "annotations", path), images, label_of)
    _check_listed_once(images, cells)
    fields = tuple(_make_field(folder, image, cells[image.id], label_of) for image in images)
    return FieldSet(fields, _make_classes(categories))


def require_mpp(fields: FieldSet) -> None:
    """Refuses fields that state no µm/px, on which figures in µm cannot be measured.

    Raises:
        DatasetError: names the first such image, and how many there are.
    """
    unknown = [field.path.name for field in fields.fields if field.mpp is None]
    if unknown:
        raise DatasetError(
            f"{len(unknown)} images state no µm per px, {unknown[0]} for one, so nothing can be "
            'measured on them: give every image of annotations.json its "mpp"'
        )


def _group_cells(
    annotations: list[Json], images: list[CocoImage], label_of: dict[Id, int]
) -> dict[Id, list[CocoCell]]:
    """Annotations by the id of their image, without those of crowds."""
    cells: dict[Id, list[CocoCell]] = {image.id: [] for image in images}
    image_ids, category_ids = set(cells), set(label_of)
    for entry in annotations:
        check_reference(entry, "image_id", image_ids, "image")
        check_reference(entry, "category_id", category_ids, "category")
        if not entry.get("iscrowd"):
            cells[entry["image_id"]].append(read_entry(CocoCell, "annotation", entry))
    return cells


def _check_listed_once(images: list[CocoImage], cells: dict[Id, list[CocoCell]]) -> None:
    """Refuses a file of two images, which could lie in two folds, and a cell of two classes."""
    image_of_file: dict[str, Id] = {}
    for image in images:
        first = image_of_file.setdefault(os.path.normpath(image.file_name), image.id)
        if first != image.id:
            raise DatasetError(
                f"images {first} and {image.id} are one file, {image.file_name!r}: delete one and "
                "give its cells to the other"
            )
        cell_of_box: dict[tuple[float, ...], CocoCell] = {}
        for cell in cells[image.id]:
            twin = cell_of_box.setdefault(cell.bbox, cell)
            if twin.category_id != cell.category_id:
                raise DatasetError(
                    f"annotations {twin.id} and {cell.id} have the same box {list(cell.bbox)} and "
                    "two classes: delete one of them"
                )


def _make_classes(categories: list[CocoCategory]) -> tuple[CellClass, ...]:
    known = {cell_class.name: cell_class for cell_class in BETHESDA}
    classes: dict[str, CellClass] = {}
    for label, category in enumerate(categories):
        name = category.name
        if name in classes:
            raise DatasetError(f"two categories are named {name!r}: name them apart or join them")
        like = known.get(name, CellClass(name, PALETTE[label % len(PALETTE)], min(label, 1)))
        severity = like.severity if category.severity is None else category.severity
        classes[name] = CellClass(name, category.color or like.color, severity)
    return tuple(classes.values())


def _make_field(
    folder: Path, image: CocoImage, cells: list[CocoCell], label_of: dict[Id, int]
) -> Field:
    path = find_file(folder / "images", image)
    boxes = [clip_box(cell, image.width, image.height) for cell in cells]
    centres = [
        cell.nucleus or ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        for cell, box in zip(cells, boxes, strict=True)
    ]
    return Field(
        path=path,
        width=image.width,
        height=image.height,
        mpp=image.mpp,
        fold=image.fold,
        bbox_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        label=np.array([label_of[cell.category_id] for cell in cells], np.int16),
        centre_xy=np.array(centres, np.float32).reshape(-1, 2),
        slide=image.slide,
    )
