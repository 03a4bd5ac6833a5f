"""Labelled fields read from a folder with `images/` and COCO `annotations.json`, and checked.

Pixels are read by `read_field_pixels`; what one entry may say is checked in `coco_entries.py`,
cropping and augmentation are left to the other files here.
"""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.classes import BETHESDA, CellClass
from models.data.coco_entries import (
    Entry,
    check_reference,
    clip_box,
    find_file,
    list_entries,
    read_color,
    read_fold,
    read_json,
    read_mpp,
    read_nucleus,
    read_severity,
    read_size,
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

    def digest(self) -> str:
        """Hash of classes, file names, µm/px, boxes and labels: what is learned, but for pixels."""
        hasher = hashlib.sha256(repr([(one.name, one.severity) for one in self.classes]).encode())
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
        folder: holds `annotations.json` and `images/`. Images may state `mpp` and `fold`;
            annotations may state `nucleus` [x, y]; categories may state `color` and `severity`.

    Returns:
        Fields in file order; labels follow ascending category id.

    Raises:
        DatasetError: the folder, a file or an entry is missing or wrong; names which.
    """
    path = folder / "annotations.json"
    content = read_json(path)
    categories = sorted(list_entries(content, "categories", path), key=lambda entry: entry["id"])
    if not categories:
        raise DatasetError(f"{path} lists no categories: name at least one class of cell")
    label_of = {entry["id"]: label for label, entry in enumerate(categories)}
    images = list_entries(content, "images", path)
    if not images:
        raise DatasetError(f"{path} lists no images: list at least one")
    cells = _group_cells(list_entries(content, "annotations", path), images, label_of)
    fields = tuple(_make_field(folder, image, cells[image["id"]], label_of) for image in images)
    return FieldSet(fields, _make_classes(categories))


def check_images(fields: FieldSet) -> None:
    """Refuses images of another size than stated and cut ones, without decoding them.

    Raises:
        DatasetError: an image has another size, is no image, or its end is missing; names it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        for field in fields.fields:
            try:
                with Image.open(field.path) as image:
                    _check_size(field, *image.size)
                    if image.format in ("JPEG", "MPO"):
                        _check_end(field)
                    else:
                        image.verify()
            except Image.DecompressionBombError:
                continue  # too large for this library's taste; it is checked when it is read
            except (OSError, SyntaxError, ValueError) as error:
                raise DatasetError(_undecodable(field)) from error


def require_mpp(fields: FieldSet) -> None:
    """Refuses fields that state no µm/px: what is measured in µm cannot be measured on them.

    Raises:
        DatasetError: names one, and how many there are.
    """
    unknown = [field.path.name for field in fields.fields if field.mpp is None]
    if unknown:
        raise DatasetError(
            f"{len(unknown)} images state no µm per px, {unknown[0]} for one, so nothing can be "
            'measured on them: give every image of annotations.json its "mpp"'
        )


def read_field_pixels(field: Field) -> NDArray[np.uint8]:
    """Pixels of a field, (H, W, 3) uint8, RGB.

    Raises:
        DatasetError: the image cannot be decoded or has another size than stated.
    """
    try:
        pixels = cv2.imread(str(field.path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise DatasetError(
            f"{field.path} is {field.width}x{field.height} px, more than can be read at once: "
            "cut it into smaller fields"
        ) from error
    if pixels is None:
        raise DatasetError(_undecodable(field))
    _check_size(field, pixels.shape[1], pixels.shape[0])
    return np.ascontiguousarray(pixels[:, :, ::-1], dtype=np.uint8)


def _check_size(field: Field, width: int, height: int) -> None:
    if (width, height) != (field.width, field.height):
        raise DatasetError(
            f"{field.path} is {width}x{height} px, but annotations.json says "
            f"{field.width}x{field.height}: correct its entry or take the image that was labelled"
        )


def _check_end(field: Field) -> None:
    """After the last scan (FF DA) of a whole JPEG its end (FF D9) follows: ITU-T T.81, B.1.1.3."""
    content = field.path.read_bytes()
    if content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        raise DatasetError(f"{field.path} is cut off: copy it again, or delete its entry")


def _undecodable(field: Field) -> str:
    return f"{field.path} cannot be decoded as an image: replace it, or delete its entry"


def _group_cells(
    annotations: list[Entry], images: list[Entry], label_of: dict[Any, int]
) -> dict[Any, list[Entry]]:
    """Annotations by the id of their image, without those of crowds."""
    cells: dict[Any, list[Entry]] = {image["id"]: [] for image in images}
    image_ids, category_ids = set(cells), set(label_of)
    for cell in annotations:
        check_reference(cell, "image_id", image_ids, "image")
        check_reference(cell, "category_id", category_ids, "category")
        if not cell.get("iscrowd"):
            cells[cell["image_id"]].append(cell)
    return cells


def _make_classes(categories: list[Entry]) -> tuple[CellClass, ...]:
    known = {cell_class.name: cell_class for cell_class in BETHESDA}
    classes: dict[str, CellClass] = {}
    for label, entry in enumerate(categories):
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise DatasetError(f"category {entry['id']} has no name: give it one")
        if name in classes:
            raise DatasetError(f"two categories are named {name!r}: name them apart or join them")
        like = known.get(name, CellClass(name, PALETTE[label % len(PALETTE)], min(label, 1)))
        color, severity = read_color(entry, like.color), read_severity(entry, like.severity)
        classes[name] = CellClass(name, color, severity)
    return tuple(classes.values())


def _make_field(folder: Path, image: Entry, cells: list[Entry], label_of: dict[Any, int]) -> Field:
    width, height = read_size(image)
    path = find_file(folder / "images", image)
    boxes = [clip_box(cell, width, height) for cell in cells]
    centres = [
        read_nucleus(cell) or ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        for cell, box in zip(cells, boxes, strict=True)
    ]
    return Field(
        path=path,
        width=width,
        height=height,
        mpp=read_mpp(image),
        fold=read_fold(image),
        bbox_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        label=np.array([label_of[cell["category_id"]] for cell in cells], np.int16),
        centre_xy=np.array(centres, np.float32).reshape(-1, 2),
    )
