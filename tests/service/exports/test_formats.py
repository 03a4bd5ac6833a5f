"""Every format is what its readers expect, and all tell of the same cells."""

import csv
import io
import json
import uuid
from typing import Any

import numpy as np
import pytest
import shapely
from pycocotools.coco import COCO

from models.classes import BETHESDA
from service.exports.coco import write_coco
from service.exports.csv import write_csv
from service.exports.frame import PIECE_SIZE
from service.exports.geojson import write_geojson
from service.exports.ndjson import write_ndjson
from service.pipeline.types import Detections
from tests.service.exports.conftest import frame

Chunks = list[Detections]


def geojson(chunks: Chunks, origin: Any = "slide") -> dict[str, Any]:
    return dict(json.loads(b"".join(write_geojson(chunks, frame(origin)))))


def test_geojson_is_what_qupath_opens_as_detections(chunks: Chunks) -> None:
    content = geojson(chunks)
    assert content["type"] == "FeatureCollection"
    assert len(content["features"]) == 12
    for feature in content["features"]:
        uuid.UUID(feature["id"])
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert shape.is_valid
        assert shape.exterior.is_ring
        properties = feature["properties"]
        assert properties["objectType"] == "detection"
        assert set(properties["classification"]) == {"name", "color"}
        assert len(properties["classification"]["color"]) == 3
        assert 0 < properties["measurements"]["score"] < 1


def test_geojson_says_which_origin_and_shifts_by_the_bounds(chunks: Chunks) -> None:
    whole, cropped = geojson(chunks), geojson(chunks, "bounds")
    assert whole["cytolibra"]["origin"] == "slide"
    assert cropped["cytolibra"] | {"disclaimer": ""} == {
        "origin": "bounds",
        "offset_xy": [100, 50],
        "unit": "level-0 px",
        "disclaimer": "",
    }
    first = whole["features"][0]["geometry"]["coordinates"][0][0]
    moved = cropped["features"][0]["geometry"]["coordinates"][0][0]
    assert (first[0] - moved[0], first[1] - moved[1]) == (100, 50)


def test_exporting_twice_gives_the_same_ids_and_no_two_alike(chunks: Chunks) -> None:
    ids = [feature["id"] for feature in geojson(chunks)["features"]]
    assert ids == [feature["id"] for feature in geojson(chunks)["features"]]
    assert len(set(ids)) == 12


def test_ids_are_the_same_for_both_origins(chunks: Chunks) -> None:
    first, second = geojson(chunks)["features"], geojson(chunks, "bounds")["features"]
    assert [feature["id"] for feature in first] == [feature["id"] for feature in second]


@pytest.mark.parametrize("write", [write_geojson, write_ndjson, write_coco, write_csv])
def test_many_cells_in_one_chunk_are_written_in_pieces(write: Any) -> None:
    count = 2 * PIECE_SIZE + 1
    low = np.arange(count, dtype=np.float32)[:, None]
    many = Detections(
        np.hstack([low, low, low + 9, low + 9]),
        np.full(count, 0.5, np.float32),
        np.zeros(count, np.int16),
        np.zeros(count, np.int32),
        np.full((count, len(BETHESDA)), 0.1, np.float32),
    )
    pieces = list(write([many], frame()))
    assert max(map(len, pieces)) < 0.6 * sum(map(len, pieces))
    halves = [many.take(np.arange(7)), many.take(np.arange(7, count))]
    assert b"".join(pieces) == b"".join(write(halves, frame()))


def test_no_cells_still_give_a_whole_file() -> None:
    assert geojson([])["features"] == []
    assert json.loads(b"".join(write_coco([], frame())))["annotations"] == []
    assert b"".join(write_ndjson([], frame())) == b""
    assert b"".join(write_csv([], frame())) == b"x1,y1,x2,y2,class,score,label\r\n"


def test_ndjson_has_the_same_features_one_a_line(chunks: Chunks) -> None:
    lines = b"".join(write_ndjson(chunks, frame())).splitlines()
    assert [json.loads(line) for line in lines] == geojson(chunks)["features"]


def test_coco_is_read_by_its_own_tools(chunks: Chunks, capsys: pytest.CaptureFixture[str]) -> None:
    coco = COCO()
    coco.dataset = json.loads(b"".join(write_coco(chunks, frame())))
    coco.createIndex()
    assert len(coco.getAnnIds(imgIds=[1])) == 12
    first = coco.loadAnns([1])[0]
    assert first["bbox"] == [200.0, 200.0, 80.0, 81.5]
    assert coco.loadCats([first["category_id"]])[0]["name"] == "NILM"


def test_csv_has_a_row_for_every_cell(chunks: Chunks) -> None:
    text = b"".join(write_csv(chunks, frame())).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 12
    assert rows[0] == {
        "x1": "200.0",
        "y1": "200.0",
        "x2": "280.0",
        "y2": "281.5",
        "class": "NILM",
        "score": "0.2",
        "label": "0",
    }
    assert {row["class"] for row in rows} == {one.name for one in BETHESDA}
