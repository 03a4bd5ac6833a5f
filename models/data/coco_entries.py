"""Entries of a COCO file and their values, each checked; errors name the entry, value and remedy.

Knows one entry at a time; how they belong together is left to `coco.py`.
"""

import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

from models.errors import DatasetError

Entry = dict[str, Any]


def read_json(path: Path) -> Entry:
    """The top level of a COCO file.

    Raises:
        DatasetError: it is missing, no UTF-8, no JSON, or no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path} does not exist: a folder with images/ and annotations.json is needed"
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} cannot be read as JSON: byte {error.start} is not UTF-8; save it as UTF-8"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path} cannot be read as JSON ({error}): write it again as a COCO file"
        ) from error
    if not isinstance(content, dict):
        raise DatasetError(
            f"{path} is not a COCO file: its top level must be an object with images, annotations "
            f"and categories, not {type(content).__name__}"
        )
    return content


def list_entries(content: Entry, key: str, path: Path) -> list[Entry]:
    """The objects under `key`; their ids are distinct, and all numbers or all strings.

    Raises:
        DatasetError: they are not.
    """
    entries = content.get(key)
    if not isinstance(entries, list) or any(
        not isinstance(entry, dict) or "id" not in entry for entry in entries
    ):
        raise DatasetError(f"{path}: {key!r} must be a list of objects with an 'id'")
    ids = [entry["id"] for entry in entries]
    if not any(all(type(one) is kind for one in ids) for kind in (int, str)):
        raise DatasetError(f"{path}: ids in {key!r} must be all whole numbers or all strings")
    if len(set(ids)) != len(ids):
        double, times = Counter(ids).most_common(1)[0]
        raise DatasetError(
            f"{path}: ids in {key!r} are not unique: {double!r} stands there {times} "
            "times; number them anew"
        )
    return entries


def check_reference(cell: Entry, key: str, known: set[Any], called: str) -> None:
    """Refuses an annotation that refers to what is not there.

    Args:
        cell: an entry of `annotations`.
        key: "image_id" or "category_id".
        known: the ids there are.
        called: what the entry refers to, in words.

    Raises:
        DatasetError: names the reference.
    """
    value = cell.get(key)
    if not isinstance(value, int | str) or value not in known:
        some = ", ".join(map(repr, sorted(known)[:10])) + (", …" if len(known) > 10 else "")
        raise DatasetError(
            f"annotation {cell['id']}: no {called} {value}: the ids are {some or 'none'}; correct "
            f"its {key} or delete it"
        )


def read_size(image: Entry) -> tuple[int, int]:
    """Width and height that an image states, px.

    Raises:
        DatasetError: it has no file_name, or these are not whole numbers above zero.
    """
    size: list[Any] = [image.get("width"), image.get("height")]
    if not isinstance(image.get("file_name"), str) or not all(
        _is_number(side) and float(side).is_integer() and side > 0 for side in size
    ):
        raise DatasetError(
            f"image {image['id']}: file_name, width and height are needed, the latter in whole px, "
            f"but they are {image.get('file_name')!r}, {size[0]!r} and {size[1]!r}"
        )
    return int(size[0]), int(size[1])


def find_file(folder: Path, image: Entry) -> Path:
    """Where the file of an image lies, inside of `folder`.

    Raises:
        DatasetError: it is not there, or its name leads elsewhere; a link there may.
    """
    path = folder / str(image["file_name"])
    try:
        plain, root = (Path(os.path.normpath(one.absolute())) for one in (path, folder))
        if plain.is_relative_to(root) and path.is_file():
            return path
    except (OSError, ValueError):  # a null byte, a name that is too long
        pass
    raise DatasetError(
        f"image {image['id']}: {str(path)!r} does not exist in {folder}: put the image there or "
        "delete its entry"
    )


def read_mpp(image: Entry) -> float | None:
    """µm/px that an image states, if it does.

    Raises:
        DatasetError: it is not a number above zero.
    """
    mpp = image.get("mpp")
    if mpp is None or (_is_number(mpp) and mpp > 0):
        return mpp
    raise DatasetError(
        f"image {image['id']}: mpp is {mpp!r}, but must be µm per px above zero, as 0.25; correct "
        "it or leave it out"
    )


def read_fold(image: Entry) -> int | None:
    """Cross-validation fold of an image, if it has one.

    Raises:
        DatasetError: it is not a whole number.
    """
    fold = image.get("fold")
    if fold is None or type(fold) is int:
        return fold
    raise DatasetError(
        f"image {image['id']}: fold is {fold!r}, but must be a whole number, as 0; correct it or "
        "leave it out"
    )


def clip_box(cell: Entry, width: int, height: int) -> tuple[float, float, float, float]:
    """The box of an annotation as xyxy, px, clipped to its image.

    Raises:
        DatasetError: it is not four finite numbers, or has no area inside the image.
    """
    box = cell.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(one, False) for one in box):
        raise DatasetError(
            f"annotation {cell['id']}: bbox is {box!r}, but must be [x, y, width, height]"
        )
    x, y, w, h = (float(value) for value in box)
    where = f"no area inside its {width}x{height} px image: correct or delete it"
    if not all(map(math.isfinite, (x, y, w, h))):
        raise DatasetError(f"annotation {cell['id']}: bbox {box} is not finite and has {where}")
    x1, y1, x2, y2 = max(x, 0.0), max(y, 0.0), min(x + w, width), min(y + h, height)
    if not (w > 0 and h > 0 and x2 > x1 and y2 > y1):
        raise DatasetError(f"annotation {cell['id']}: bbox {box} has {where}")
    return x1, y1, x2, y2


def read_nucleus(cell: Entry) -> tuple[float, float] | None:
    """Centre of the nucleus, px, if the annotation states it.

    Raises:
        DatasetError: it is not two finite numbers.
    """
    point = cell.get("nucleus")
    if point is None:
        return None
    if isinstance(point, list) and len(point) == 2 and all(map(_is_number, point)):
        return float(point[0]), float(point[1])
    raise DatasetError(
        f"annotation {cell['id']}: nucleus is {point!r}, but must be [x, y] in px; correct it or "
        "leave it out"
    )


def read_color(category: Entry, default: tuple[int, int, int]) -> tuple[int, int, int]:
    """(red, green, blue), each 0-255, of a category.

    Raises:
        DatasetError: it is not that.
    """
    color = category.get("color", default)
    if (
        isinstance(color, list | tuple)
        and len(color) == 3
        and all(_is_number(one) and 0 <= one <= 255 for one in color)
    ):
        return int(color[0]), int(color[1]), int(color[2])
    raise DatasetError(
        f"category {category['id']}: color is {color!r}, but must be [red, green, blue], each "
        "0-255; correct it or leave it out"
    )


def read_severity(category: Entry, default: int) -> int:
    """Severity of a category: 0 is negative, higher is more severe.

    Raises:
        DatasetError: it is not a whole number of zero or more.
    """
    severity = category.get("severity", default)
    if type(severity) is int and severity >= 0:
        return severity
    raise DatasetError(
        f"category {category['id']}: severity is {severity!r}, but must be 0 for negative, 1 or "
        "more for abnormal; correct it or leave it out"
    )


def _is_number(value: Any, finite: bool = True) -> bool:
    """Whether a JSON value is a number; a bool is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(float(value)) or not finite
    except OverflowError:  # a whole number beyond any float
        return False
