"""Entries of a COCO file, each checked; errors name the entry, the value and the remedy.

Each entry by itself; references between entries are resolved in `coco.py`.
"""

import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from models.errors import DatasetError

Json = dict[str, Any]
Id = int | str


def _refuse_what_is_no_number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("no number")
    return value


Number = Annotated[float, BeforeValidator(_refuse_what_is_no_number)]
Finite = Annotated[Number, Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_refuse_what_is_no_number)]
Byte = Annotated[Whole, Field(ge=0, le=255)]


class _Entry(BaseModel):
    """An object of the file; the description of a field says, in errors, what it must be."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Id


class CocoImage(_Entry):
    """An entry of `images`; `slide` names the slide that a field was cut from."""

    file_name: str = Field(description="the name of a file in images/")
    width: Annotated[Whole, Field(gt=0)] = Field(description="whole px above zero")
    height: Annotated[Whole, Field(gt=0)] = Field(description="whole px above zero")
    mpp: Annotated[Finite, Field(gt=0)] | None = Field(
        None, description="µm per px above zero, as 0.25; correct it or leave it out"
    )
    fold: Whole | None = Field(None, description="a whole number, as 0; correct it or leave it out")
    slide: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="the name of the slide that the image is of; correct it or leave it out"
    )


class CocoCell(_Entry):
    """An entry of `annotations`."""

    image_id: Id
    category_id: Id
    bbox: tuple[Number, Number, Number, Number] = Field(description="[x, y, width, height]")
    nucleus: tuple[Finite, Finite] | None = Field(
        None, description="[x, y] in px; correct it or leave it out"
    )


class CocoCategory(_Entry):
    """An entry of `categories`; severity 0 is negative, higher is more severe."""

    name: str = Field(min_length=1, description="a name; give it one")
    color: tuple[Byte, Byte, Byte] | None = Field(
        None, description="[red, green, blue], each 0-255; correct it or leave it out"
    )
    severity: Annotated[Whole, Field(ge=0)] | None = Field(
        None, description="0 for negative, 1 or more for abnormal; correct it or leave it out"
    )


E = TypeVar("E", bound=_Entry)


def read_entry(kind: type[E], entry_name: str, entry: Json) -> E:
    """An entry with its values checked.

    Args:
        kind: what it must be.
        entry_name: "image", "annotation" or "category".
        entry: as in the file, with an id.

    Raises:
        DatasetError: names the entry, the value that is wrong and what it must be.
    """
    try:
        return kind.model_validate(entry)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        value = repr(entry[name])[:100] if name in entry else "missing"
        raise DatasetError(
            f"{entry_name} {entry['id']}: {name} is {value}, but must be "
            f"{kind.model_fields[name].description}"
        ) from error


def read_json(path: Path) -> Json:
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


def list_entries(content: Json, key: str, path: Path) -> list[Json]:
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
    if not any(all(type(entry_id) is kind for entry_id in ids) for kind in (int, str)):
        raise DatasetError(f"{path}: ids in {key!r} must be all whole numbers or all strings")
    if len(set(ids)) != len(ids):
        double, times = Counter(ids).most_common(1)[0]
        raise DatasetError(
            f"{path}: ids in {key!r} are not unique: {double!r} stands there {times} "
            "times; number them anew"
        )
    return entries


def check_reference(cell: Json, key: str, known: set[Any], entry_name: str) -> None:
    """Refuses an annotation whose reference does not exist.

    Args:
        cell: an entry of `annotations`.
        key: "image_id" or "category_id".
        known: the existing ids.
        entry_name: what the reference is to: "image" or "category".

    Raises:
        DatasetError: names the reference.
    """
    value = cell.get(key)
    if not isinstance(value, int | str) or value not in known:
        some = ", ".join(map(repr, sorted(known)[:10])) + (", …" if len(known) > 10 else "")
        raise DatasetError(
            f"annotation {cell['id']}: no {entry_name} {value}: the ids are {some or 'none'}; "
            f"correct its {key} or delete it"
        )


def find_file(folder: Path, image: CocoImage) -> Path:
    """Where the file of an image lies, inside of `folder`.

    Raises:
        DatasetError: it is not there, or its name leads elsewhere; a link there may.
    """
    path = folder / image.file_name
    try:
        plain, root = (Path(os.path.normpath(place.absolute())) for place in (path, folder))
        if plain.is_relative_to(root) and path.is_file():
            return path
    except (OSError, ValueError):  # a null byte, a name that is too long
        pass
    raise DatasetError(
        f"image {image.id}: {str(path)!r} does not exist in {folder}: put the image there or "
        "delete its entry"
    )


def clip_box(cell: CocoCell, width: int, height: int) -> tuple[float, float, float, float]:
    """The box of an annotation as xyxy, px, clipped to its image.

    Raises:
        DatasetError: it is not finite, or has no area inside the image.
    """
    x, y, w, h = cell.bbox
    x1, y1, x2, y2 = max(x, 0.0), max(y, 0.0), min(x + w, width), min(y + h, height)
    is_finite = all(map(math.isfinite, cell.bbox))
    if not (is_finite and w > 0 and h > 0 and x2 > x1 and y2 > y1):
        wrong = "" if is_finite else "is not finite and "
        raise DatasetError(
            f"annotation {cell.id}: bbox {list(cell.bbox)} {wrong}has no area inside its "
            f"{width}x{height} px image: correct or delete it"
        )
    return x1, y1, x2, y2
