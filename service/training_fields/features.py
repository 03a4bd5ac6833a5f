"""Objects of a GeoJSON file as QuPath writes it; errors name the unreadable object.

Coordinates are those of the file; placing objects on a slide is left to `annotations.py`.

Source: qupath-core, QuPathTypeAdapters: a FeatureCollection, an array or one Feature; type,
classification and children are in `properties`, a cell's nucleus in `nucleusGeometry`.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.geometry

from service.errors import DatasetError
from service.training_fields.types import Origin, Rgb

#: Limit on the unpacked GeoJSON; a million objects take about 500 MB.
MAX_BYTES = 1 << 30

#: Geometry types of cells, and further types that QuPath writes, e.g. for rulers.
CELL_SHAPES = ("Polygon", "MultiPolygon", "Point", "MultiPoint")
OTHER_SHAPES = ("LineString", "MultiLineString", "GeometryCollection")
#: QuPath's object types that are neither cells nor regions.
SKIPPED_OBJECT_TYPES = frozenset({"root", "tile", "tmacore", "tma_core"})


@dataclass(frozen=True)
class Feature:
    """An object in the file.

    Attributes:
        position: e.g. "object 3, child 1", for messages.
        object_type: QuPath's: "annotation", "detection" or "cell".
        class_name: as in the file; None without a classification.
        color: of the class, or None.
        shape: shapely geometry, of `CELL_SHAPES` or `OTHER_SHAPES`.
        nucleus: shapely geometry of the nucleus, or None.
    """

    position: str
    object_type: str
    class_name: str | None
    color: Rgb | None
    shape: Any
    nucleus: Any | None


@dataclass(frozen=True)
class FeatureFile:
    """A file of objects.

    Attributes:
        path: of the file.
        origin: of the coordinates, if the file states it, as this product's exports do.
        features: in file order.
    """

    path: Path
    origin: Origin | None
    features: tuple[Feature, ...]


def read_features(path: Path) -> FeatureFile:
    """The objects of a .geojson, .json or .geojson.gz file.

    Raises:
        DatasetError: the file or an object in it does not have the form that QuPath writes.
    """
    content = _read_json(path)
    objects = content.get("features") if isinstance(content, dict) else content
    if isinstance(content, dict) and content.get("type") == "Feature":
        objects = [content]
    if not isinstance(objects, list):
        raise DatasetError(
            f"{path} is no GeoJSON of objects: its top level must be a FeatureCollection, an array "
            "or a Feature; write it with QuPath's File > Export objects as GeoJSON"
        )
    metadata = content.get("cytolibra") if isinstance(content, dict) else None
    features = [
        _make_feature(feature, position, path)
        for position, feature in _walk(objects, "object", path)
        if _object_type(feature).lower() not in SKIPPED_OBJECT_TYPES
    ]
    return FeatureFile(path, _read_origin(metadata, path), tuple(features))


def _read_json(path: Path) -> Any:
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as packed:
                data = packed.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise DatasetError(
                f"{path} holds more than {MAX_BYTES >> 20} MiB: export fewer objects at a time"
            )
        # json accepts NaN, which QuPath writes for measurements; utf-8-sig skips a byte order mark.
        return json.loads(data.decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path} does not exist: export the slide's objects there from QuPath, or name their "
            "file with --annotations"
        ) from error
    except (OSError, EOFError, ValueError, zlib.error, RecursionError) as error:
        raise DatasetError(
            f"{path} cannot be read as GeoJSON ({error}): export it again from QuPath"
        ) from error


def _read_origin(metadata: Any, path: Path) -> Origin | None:
    if not isinstance(metadata, dict) or "origin" not in metadata:
        return None
    if metadata["origin"] not in ("slide", "bounds"):
        raise DatasetError(
            f"{path}: its member cytolibra.origin is {metadata['origin']!r}, but must be 'slide' "
            "or 'bounds'"
        )
    return "slide" if metadata["origin"] == "slide" else "bounds"


def _walk(objects: list[Any], kind: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(position in the file, object) of all objects and their children."""
    for number, feature in enumerate(objects, 1):
        if not isinstance(feature, dict) or not isinstance(feature.get("properties") or {}, dict):
            raise DatasetError(f"{path}: {kind} {number} is no GeoJSON Feature: delete it")
        position = f"{kind} {number}"
        yield (f"{position} (id {feature['id']})" if feature.get("id") else position), feature
        children = _properties(feature).get("childObjects")
        if isinstance(children, list):
            yield from _walk(children, f"{position}, child", path)


def _properties(feature: dict[str, Any]) -> dict[str, Any]:
    return feature.get("properties") or {}


def _object_type(feature: dict[str, Any]) -> str:
    """The object's type; "annotation" if it states none, as in QuPath."""
    properties = _properties(feature)
    return str(properties.get("objectType") or properties.get("object_type") or "annotation")


def _make_feature(feature: dict[str, Any], position: str, path: Path) -> Feature:
    name, color = _read_class(_properties(feature).get("classification"))
    nucleus = feature.get("nucleusGeometry")
    return Feature(
        position=position,
        object_type=_object_type(feature),
        class_name=name,
        color=color,
        shape=_read_shape(feature.get("geometry"), position, path),
        nucleus=None
        if nucleus is None
        else _read_shape(nucleus, f"the nucleus of {position}", path),
    )


def _read_class(value: Any) -> tuple[str | None, Rgb | None]:
    """Name and colour of a classification: a string, {name, color}, or QuPath's derived {names}."""
    if isinstance(value, str):
        return value.strip() or None, None
    if not isinstance(value, dict):
        return None, None
    name, names = value.get("name"), value.get("names")
    if not name and isinstance(names, list):
        name = ": ".join(map(str, names))
    return str(name).strip() or None if name else None, _read_color(value)


def _read_color(value: dict[str, Any]) -> Rgb | None:
    """[r, g, b], or the packed number that QuPath wrote before 0.4."""
    color, packed = value.get("color"), value.get("colorRGB")
    if isinstance(packed, int) and color is None:
        return (packed >> 16) & 255, (packed >> 8) & 255, packed & 255
    if not isinstance(color, list) or len(color) != 3:
        return None
    if not all(isinstance(part, int) and 0 <= part <= 255 for part in color):
        return None
    return color[0], color[1], color[2]


def _read_shape(value: Any, position: str, path: Path) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in CELL_SHAPES + OTHER_SHAPES:
        raise DatasetError(
            f"{path}: {position} is of geometry {kind or 'none'}, but only "
            f"{', '.join(CELL_SHAPES)} can be a cell: delete it, or draw it anew "
            "as a rectangle, ellipse, polygon or point"
        )
    try:
        shape = shapely.geometry.shape(value)
    except (ValueError, TypeError, LookupError, AttributeError, shapely.errors.ShapelyError) as err:
        raise DatasetError(
            f"{path}: {position} has coordinates that make no {kind} ({err}): delete it or draw it "
            "anew"
        ) from err
    if shape.is_empty or not np.isfinite(shapely.get_coordinates(shape)).all():
        raise DatasetError(
            f"{path}: {position} has no coordinates, or some that are not finite: delete it or "
            "draw it anew"
        )
    return shape
