"""Objects of a GeoJSON file as QuPath writes it; unreadable ones are named.

Coordinates stay as they are in the file; placing them on a slide is left to `annotations.py`.

Source: qupath-core, QuPathTypeAdapters: a FeatureCollection, an array or one Feature; type,
classification and children stand in `properties`, a cell's nucleus in `nucleusGeometry`.
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

#: Of GeoJSON, unpacked: a million objects take about 500 MB.
MAX_BYTES = 1 << 30

#: What may be a cell, and what QuPath draws besides, as rulers.
CELL_SHAPES = ("Polygon", "MultiPolygon", "Point", "MultiPoint")
OTHER_SHAPES = ("LineString", "MultiLineString", "GeometryCollection")
#: QuPath's objects that are neither cells nor regions.
PASSED_OVER = frozenset({"root", "tile", "tmacore", "tma_core"})


@dataclass(frozen=True)
class Feature:
    """One object.

    Attributes:
        called: how to find it in the file.
        object_type: QuPath's: "annotation", "detection" or "cell".
        class_name: as in the file; None where it has no classification.
        color: of the class, if stated.
        shape: shapely geometry, of `CELL_SHAPES` or `OTHER_SHAPES`.
        nucleus: shapely geometry of the nucleus, if drawn.
    """

    called: str
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
        origin: of the coordinates, where the file says it, as this product's own exports do.
        features: in file order.
    """

    path: Path
    origin: Origin | None
    features: tuple[Feature, ...]


def read_features(path: Path) -> FeatureFile:
    """The objects of a .geojson, .json or .geojson.gz file.

    Raises:
        DatasetError: the file or one of its objects is not what QuPath writes.
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
    about = content.get("cytolibra") if isinstance(content, dict) else None
    features = [
        _make_feature(feature, called, path)
        for called, feature in _walk(objects, "object", path)
        if _object_type(feature).lower() not in PASSED_OVER
    ]
    return FeatureFile(path, _read_origin(about, path), tuple(features))


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
        # As QuPath, which writes measurements that are NaN; utf-8-sig takes a byte order mark.
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


def _read_origin(about: Any, path: Path) -> Origin | None:
    if not isinstance(about, dict) or "origin" not in about:
        return None
    if about["origin"] not in ("slide", "bounds"):
        raise DatasetError(
            f"{path}: its member cytolibra.origin is {about['origin']!r}, but must be 'slide' or "
            "'bounds'"
        )
    return "slide" if about["origin"] == "slide" else "bounds"


def _walk(objects: list[Any], called: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects and their children, each with how to call it."""
    for number, feature in enumerate(objects, 1):
        if not isinstance(feature, dict) or not isinstance(feature.get("properties") or {}, dict):
            raise DatasetError(f"{path}: {called} {number} is no GeoJSON Feature: delete it")
        name = f"{called} {number}"
        yield (f"{name} (id {feature['id']})" if feature.get("id") else name), feature
        children = _properties(feature).get("childObjects")
        if isinstance(children, list):
            yield from _walk(children, f"{name}, child", path)


def _properties(feature: dict[str, Any]) -> dict[str, Any]:
    return feature.get("properties") or {}


def _object_type(feature: dict[str, Any]) -> str:
    """QuPath takes an object that states no type for an annotation."""
    properties = _properties(feature)
    return str(properties.get("objectType") or properties.get("object_type") or "annotation")


def _make_feature(feature: dict[str, Any], called: str, path: Path) -> Feature:
    name, color = _read_class(_properties(feature).get("classification"))
    nucleus = feature.get("nucleusGeometry")
    return Feature(
        called=called,
        object_type=_object_type(feature),
        class_name=name,
        color=color,
        shape=_read_shape(feature.get("geometry"), called, path),
        nucleus=None if nucleus is None else _read_shape(nucleus, f"the nucleus of {called}", path),
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


def _read_shape(value: Any, called: str, path: Path) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in CELL_SHAPES + OTHER_SHAPES:
        raise DatasetError(
            f"{path}: {called} is of geometry {kind or 'none'}, but only {', '.join(CELL_SHAPES)} "
            "can be a cell: delete it, or draw it anew as a rectangle, ellipse, polygon or point"
        )
    try:
        shape = shapely.geometry.shape(value)
    except (ValueError, TypeError, LookupError, AttributeError, shapely.errors.ShapelyError) as err:
        raise DatasetError(
            f"{path}: {called} has coordinates that make no {kind} ({err}): delete it or draw it "
            "anew"
        ) from err
    if shape.is_empty or not np.isfinite(shapely.get_coordinates(shape)).all():
        raise DatasetError(
            f"{path}: {called} has no coordinates, or some that are not finite: delete it or draw "
            "it anew"
        )
    return shape
