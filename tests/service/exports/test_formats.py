"""Every format is what its readers expect, and all tell of the same cells."""

import csv
import io
import json
import uuid
from dataclasses import replace
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
from service.pipeline.cell_ids import make_cell_ids
from service.pipeline.types import CellRecords, Detections
from tests.service.exports.conftest import SOURCE, frame

HEADER = ["x1", "y1", "x2", "y2", "class", "score", "label", "id"]
Chunks = list[CellRecords]
NAMES = [f"score_{cell_class.name}" for cell_class in BETHESDA]


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
        measurements = properties["measurements"]
        assert list(measurements) == ["score", *NAMES]
        assert all(0 < value < 1 for value in measurements.values())
        own = measurements[f"score_{properties['classification']['name']}"]
        assert own == pytest.approx(measurements["score"] + 0.01)


def test_geojson_says_which_origin_and_shifts_by_the_bounds(chunks: Chunks) -> None:
    whole, cropped = geojson(chunks), geojson(chunks, "bounds")
    assert whole["cytolibra"]["origin"] == "slide"
    assert cropped["cytolibra"] | {"disclaimer": ""} == {
        "origin": "bounds",
        "offset_xy": [100, 50],
        "unit": "level-0 px",
        "slide_sha256": SOURCE.slide_sha256,
        "detector_digest": SOURCE.detector_digest,
        "mpp": 0.25,
        "disclaimer": "",
    }
    first = whole["features"][0]["geometry"]["coordinates"][0][0]
    moved = cropped["features"][0]["geometry"]["coordinates"][0][0]
    assert (first[0] - moved[0], first[1] - moved[1]) == (100, 50)


def test_every_cell_has_an_id_of_its_own(chunks: Chunks) -> None:
    ids = [uuid.UUID(feature["id"]) for feature in geojson(chunks)["features"]]
    assert {cell_id.version for cell_id in ids} == {5}
    assert len(set(ids)) == 12


def test_ids_are_the_same_for_both_origins(chunks: Chunks) -> None:
    first, second = geojson(chunks)["features"], geojson(chunks, "bounds")["features"]
    assert [feature["id"] for feature in first] == [feature["id"] for feature in second]


@pytest.mark.parametrize("write", [write_geojson, write_ndjson, write_coco, write_csv])
def test_many_cells_in_one_chunk_are_written_in_pieces(write: Any) -> None:
    count = 2 * PIECE_SIZE + 1
    low = np.arange(count, dtype=np.float32)[:, None]
    detections = Detections(
        np.hstack([low, low, low + 9, low + 9]),
        np.full(count, 0.5, np.float32),
        np.zeros(count, np.int16),
        np.zeros(count, np.int32),
        np.full((count, len(BETHESDA)), 0.1, np.float32),
    )
    many = CellRecords(make_cell_ids(SOURCE, detections.bbox_xyxy), detections)
    pieces = list(write([many], frame()))
    assert max(map(len, pieces)) < 0.6 * sum(map(len, pieces))
    halves = [many.take(np.arange(7)), many.take(np.arange(7, count))]
    assert b"".join(pieces) == b"".join(write(halves, frame()))


def test_no_cells_still_give_a_whole_file() -> None:
    assert geojson([])["features"] == []
    assert json.loads(b"".join(write_coco([], frame())))["annotations"] == []
    assert b"".join(write_ndjson([], frame())) == b""
    assert b"".join(write_csv([], frame())) == ",".join(HEADER + NAMES).encode() + b"\r\n"


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
    assert first["uuid"] == chunks[0].ids[0]
    assert first["class_scores"] == [0.21, *[0.01] * 5]
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
        "id": chunks[0].ids[0],
        "score_NILM": "0.21",
        **dict.fromkeys(NAMES[1:], "0.01"),
    }
    assert {row["class"] for row in rows} == {cell_class.name for cell_class in BETHESDA}


def test_class_scores_that_are_not_known_are_left_out(chunks: Chunks) -> None:
    unknown = np.full((7, len(BETHESDA)), np.nan, np.float32)
    unknown[0, 4] = 0.5
    cells = replace(chunks[0], detections=replace(chunks[0].detections, class_scores=unknown))
    assert b"NaN" not in b"".join(write_geojson([cells], frame()))
    first, second = (
        feature["properties"]["measurements"] for feature in geojson([cells])["features"][:2]
    )
    assert set(first) == {"score", "score_HSIL"}
    assert set(second) == {"score"}
    rows = list(csv.DictReader(io.StringIO(b"".join(write_csv([cells], frame())).decode())))
    assert (rows[0]["score_NILM"], rows[0]["score_HSIL"]) == ("", "0.5")
    annotations = json.loads(b"".join(write_coco([cells], frame())))["annotations"]
    assert annotations[0]["class_scores"] == [None, None, None, None, 0.5, None]


def test_every_format_has_the_same_ids(chunks: Chunks) -> None:
    expected = [cell_id for chunk in chunks for cell_id in chunk.ids.tolist()]
    lines = b"".join(write_ndjson(chunks, frame())).splitlines()
    rows = csv.DictReader(io.StringIO(b"".join(write_csv(chunks, frame())).decode()))
    coco = json.loads(b"".join(write_coco(chunks, frame())))["annotations"]
    assert [feature["id"] for feature in geojson(chunks)["features"]] == expected
    assert [json.loads(line)["id"] for line in lines] == expected
    assert [row["id"] for row in rows] == expected
    assert [annotation["uuid"] for annotation in coco] == expected
