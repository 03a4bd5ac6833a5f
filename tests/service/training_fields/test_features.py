"""QuPath's files are read in every form that it writes; unreadable objects are named."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from service.errors import DatasetError
from service.training_fields.features import read_features
from tests.service.training_fields.objects import make_object, ring, write_objects


@pytest.mark.parametrize("form", ["collection", "array", "single", "gzip", "with byte order mark"])
def test_every_form_of_the_file_is_read(tmp_path: Path, form: str) -> None:
    feature, path = make_object(), tmp_path / "a.geojson"
    if form == "gzip":
        path = tmp_path / "a.geojson.gz"
        path.write_bytes(gzip.compress(json.dumps([feature]).encode()))
    elif form == "collection":
        write_objects(path, feature)
    else:
        text = json.dumps(feature if form == "single" else [feature])
        path.write_text(text, encoding="utf-8-sig" if "mark" in form else "utf-8")
    (parsed,) = read_features(path).features
    assert (parsed.class_name, parsed.object_type) == ("NILM", "annotation")
    assert parsed.shape.bounds == (100, 100, 180, 180)


@pytest.mark.parametrize(
    ("classification", "name", "color"),
    [
        ("LSIL", "LSIL", None),
        ({"name": "LSIL", "color": [1, 2, 3]}, "LSIL", (1, 2, 3)),
        ({"name": "LSIL", "colorRGB": -16711423}, "LSIL", (1, 1, 1)),
        ({"names": ["Cell", "Positive"], "color": [1, 2, 3]}, "Cell: Positive", (1, 2, 3)),
        ({"name": "LSIL", "color": "red"}, "LSIL", None),
        (None, None, None),
        ("", None, None),
        ({}, None, None),
    ],
)
def test_classifications_of_every_version_are_read(
    tmp_path: Path, classification: Any, name: str | None, color: Any
) -> None:
    path = write_objects(tmp_path / "a.geojson", make_object(classification=classification))
    (parsed,) = read_features(path).features
    assert (parsed.class_name, parsed.color) == (name, color)


def test_children_are_objects_and_tiles_are_not(tmp_path: Path) -> None:
    parent = make_object()
    parent["properties"]["childObjects"] = [make_object(kind="detection")]
    tile, root = make_object(kind="tile"), make_object(kind="root", geometry=None)
    features = read_features(write_objects(tmp_path / "a.json", root, tile, parent)).features
    assert [feature.object_type for feature in features] == ["annotation", "detection"]
    assert features[1].position.startswith("object 3, child 1 (id 7b1f3a52")


def test_measurements_that_are_no_numbers_do_no_harm(tmp_path: Path) -> None:
    feature = make_object()
    feature["properties"]["measurements"] = {"score": float("nan")}
    assert len(read_features(write_objects(tmp_path / "a.geojson", feature)).features) == 1


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        (None, "geometry none"),
        ({"type": "Polygon", "coordinates": []}, "no coordinates"),
        ({"type": "Polygon"}, "make no Polygon"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, "make no Polygon"),
        ({"type": "Polygon", "coordinates": [["a"]]}, "make no Polygon"),
        ({"type": "Polygon", "coordinates": [1, 2]}, "make no Polygon"),
        ({"type": "Point", "coordinates": [None, 1]}, "object 1"),
        ({"type": "Point", "coordinates": [float("nan"), 1]}, "object 1"),
        ({"type": "Polygon", "coordinates": ring(0, 0, float("inf"), 9)}, "not finite"),
    ],
)
def test_a_geometry_that_is_no_cell_is_named(tmp_path: Path, geometry: Any, words: str) -> None:
    path = write_objects(tmp_path / "a.geojson", make_object(geometry=geometry))
    with pytest.raises(DatasetError, match=words) as caught:
        read_features(path)
    assert "delete it" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{", "cannot be read as GeoJSON"),
        (b"", "cannot be read as GeoJSON"),
        (b"\xff\xfe\x00", "cannot be read as GeoJSON"),
        (b"[" * 200_000, "cannot be read as GeoJSON"),
        (b"{}", "is no GeoJSON of objects"),
        (b"3", "is no GeoJSON of objects"),
        (b"[3]", "object 1 is no GeoJSON Feature"),
        (b'[{"type": "Feature", "properties": 3}]', "object 1 is no GeoJSON Feature"),
        (b'{"features": [], "cytolibra": {"origin": "moon"}}', "'moon'"),
    ],
)
def test_a_file_of_something_else_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=words):
        read_features(path)


def test_missing_and_cut_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist: export"):
        read_features(tmp_path / "a.geojson")
    path = tmp_path / "a.geojson.gz"
    for data in (gzip.compress(b"[]" * 100)[:-12], b"[]"):
        path.write_bytes(data)
        with pytest.raises(DatasetError, match="cannot be read as GeoJSON"):
            read_features(path)
