"""Annotations of a slide, in every format, filtered and streamed."""

import csv
import gzip
import io
import json
from collections import Counter
from typing import Any

import httpx
import pytest

from service.api.annotations import compress, is_gzip_accepted
from tests.service.fake_server import CELLS_XY
from tests.service.running_server import RunningServer


def annotations(server: RunningServer, done: dict[str, Any], **query: Any) -> httpx.Response:
    return server.client.get(done["links"]["annotations"], params=query)


def test_geojson_has_every_cell_once(server: RunningServer, done: dict[str, Any]) -> None:
    answer = annotations(server, done)
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["content-encoding"] == "gzip"
    features = answer.json()["features"]
    centres = {
        (sum(x for x, _ in ring[:4]) / 4, sum(y for _, y in ring[:4]) / 4)
        for feature in features
        for ring in feature["geometry"]["coordinates"]
    }
    assert len(features) == len(CELLS_XY)
    assert centres == set(CELLS_XY)
    report = server.client.get(done["links"]["report"]).json()
    names = Counter(each["properties"]["classification"]["name"] for each in features)
    assert names == {name: count for name, count in report["counts"].items() if count}


def test_every_format_has_the_same_cells(server: RunningServer, done: dict[str, Any]) -> None:
    lines = annotations(server, done, format="ndjson").text.splitlines()
    rows = list(csv.DictReader(io.StringIO(annotations(server, done, format="csv").text)))
    coco = annotations(server, done, format="coco").json()
    assert len(lines) == len(rows) == len(coco["annotations"]) == len(CELLS_XY)
    assert json.loads(lines[0])["type"] == "Feature"
    ids = [json.loads(line)["id"] for line in lines]
    assert [row["id"] for row in rows] == [each["uuid"] for each in coco["annotations"]] == ids
    assert len(set(ids)) == len(CELLS_XY)


def test_filters_leave_what_is_asked_for(server: RunningServer, done: dict[str, Any]) -> None:
    query: dict[str, Any] = {
        "label": ["HSIL", "SCC,LSIL"],
        "min_score": 0.5,
        "bbox": "0,0,900,2000",
    }
    features = annotations(server, done, **query).json()["features"]
    assert features
    for feature in features:
        assert feature["properties"]["classification"]["name"] in ("HSIL", "SCC", "LSIL")
        assert feature["properties"]["measurements"]["score"] >= 0.5
        assert feature["geometry"]["coordinates"][0][0][0] < 900
        assert len(feature["properties"]["measurements"]) == 7


def test_nothing_left_is_an_empty_collection(server: RunningServer, done: dict[str, Any]) -> None:
    assert annotations(server, done, min_score=1).json()["features"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"bbox": "1,2,3"},
        {"bbox": "5,5,1,1"},
        {"bbox": "a,b,c,d"},
        {"bbox": "nan,0,1,1"},
        {"label": "unknown"},
        {"min_score": "2"},
        {"min_score": "0_1"},
        {"min_score": "nan"},
        {"format": "pdf"},
        {"origin": "moon"},
    ],
)
def test_wrong_filter_is_refused(
    server: RunningServer, done: dict[str, Any], query: dict[str, str]
) -> None:
    answer = annotations(server, done, **query)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:cytolibra:problem:invalid-request"
    assert next(iter(query)) in answer.json()["detail"]


def test_uncompressed_for_those_who_want_it(server: RunningServer, done: dict[str, Any]) -> None:
    answer = server.client.get(
        done["links"]["annotations"], headers={"Accept-Encoding": "identity"}
    )
    assert "content-encoding" not in answer.headers
    assert answer.json() == annotations(server, done).json()


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*", True),
        ("*, gzip;q=0", False),
        ("*;q=0, gzip", True),
        ("gzip;q=0, *", False),
        ("br, *;q=0", False),
    ],
)
def test_accept_encoding_is_heeded(header: str, accepted: bool) -> None:
    assert is_gzip_accepted([header]) is accepted
    assert is_gzip_accepted(header.split(",")) is accepted


def test_all_lines_of_accept_encoding_are_heeded(
    server: RunningServer, done: dict[str, Any]
) -> None:
    address = server.client.build_request("GET", done["links"]["annotations"]).url
    lines = [("Accept-Encoding", "*"), ("Accept-Encoding", "gzip;q=0")]
    with httpx.Client() as client:
        answer = client.send(httpx.Request("GET", address, headers=lines))
    assert "content-encoding" not in answer.headers


def test_compressed_pieces_are_one_file() -> None:
    pieces = [b"a" * 100_000, b"", b"b"]
    assert gzip.decompress(b"".join(compress(iter(pieces)))) == b"".join(pieces)
