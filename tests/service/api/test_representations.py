"""Results are asked for again cheaply, in parts, and never as something that they are no more."""

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import Request

from service.api.representations import is_range_requested, send_bytes, spool
from service.errors import NoSpaceError
from tests.service.running_server import RunningServer

PLAIN = {"Accept-Encoding": "identity"}
RESULTS = ["report", "annotations", "thumbnail"]
RANGED = ["annotations", "thumbnail"]


def get(server: RunningServer, path: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.client.get(path, headers=PLAIN | named)


@pytest.mark.parametrize("link", RESULTS)
def test_same_result_is_not_sent_twice(
    server: RunningServer, done: dict[str, Any], link: str
) -> None:
    first = get(server, done["links"][link])
    tag = first.headers["etag"]
    assert tag.startswith('"')
    assert first.headers["cache-control"] == "private, no-cache"
    for condition in (tag, f'"other", W/{tag}', "*"):
        again = get(server, done["links"][link], If_None_Match=condition)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == "private, no-cache"
    changed = get(server, done["links"][link], If_None_Match='"other"')
    assert changed.content == first.content


@pytest.mark.parametrize("link", RESULTS)
def test_result_of_another_state_is_refused(
    server: RunningServer, done: dict[str, Any], link: str
) -> None:
    tag = get(server, done["links"][link]).headers["etag"]
    assert get(server, done["links"][link], If_Match=tag).status_code == 200
    refused = get(server, done["links"][link], If_Match='"other"')
    assert refused.status_code == 412
    assert refused.json()["type"] == "urn:cytolibra:problem:precondition-failed"


def test_tags_differ_wherever_bytes_may(
    server: RunningServer, done: dict[str, Any], tmp_path: Path
) -> None:
    annotations = done["links"]["annotations"]
    queries = [
        "",
        "?format=csv",
        "?format=ndjson",
        "?label=HSIL",
        "?min_score=0.5",
        "?bbox=0,0,9,9",
    ]
    answers = [get(server, annotations + query) for query in [*queries, "?origin=bounds"]]
    answers += [get(server, done["links"][link]) for link in ("report", "thumbnail")]
    answers.append(server.client.get(annotations, headers={"Accept-Encoding": "gzip"}))
    assert len({answer.headers["etag"] for answer in answers}) == len(answers)


def test_compression_is_named_to_caches(server: RunningServer, done: dict[str, Any]) -> None:
    annotations = done["links"]["annotations"]
    packed = server.client.get(
        annotations, headers={"Accept-Encoding": "gzip", "Range": "bytes=0-9"}
    )
    plain = get(server, annotations)
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert (packed.status_code, packed.headers["accept-ranges"]) == (200, "none")
    assert plain.headers["accept-ranges"] == "bytes"
    tag = packed.headers["etag"]
    unchanged = get(server, annotations, If_None_Match=plain.headers["etag"])
    assert unchanged.headers["vary"] == "Accept-Encoding"
    assert get(server, annotations, If_None_Match=tag).status_code == 200


@pytest.mark.parametrize("link", RANGED)
def test_parts_make_the_whole(server: RunningServer, done: dict[str, Any], link: str) -> None:
    path = done["links"][link]
    whole = get(server, path)
    size = len(whole.content)
    cut = size // 3
    tag = whole.headers["etag"]
    parts = [
        get(server, path, Range=f"bytes=0-{cut - 1}"),
        get(server, path, Range=f"bytes={cut}-", If_Range=tag),
    ]
    assert [part.status_code for part in parts] == [206, 206]
    assert parts[0].headers["content-range"] == f"bytes 0-{cut - 1}/{size}"
    assert {part.headers["etag"] for part in parts} == {tag}
    assert {part.headers["content-type"] for part in parts} == {whole.headers["content-type"]}
    assert b"".join(part.content for part in parts) == whole.content
    assert get(server, path, Range="bytes=-7").content == whole.content[-7:]
    assert get(server, path, Range=f"bytes=-{size + 9}").content == whole.content


@pytest.mark.parametrize("link", RANGED)
def test_part_of_another_state_is_the_whole(
    server: RunningServer, done: dict[str, Any], link: str
) -> None:
    path = done["links"][link]
    tag = get(server, path).headers["etag"]
    for condition in ('"other"', f"W/{tag}", "Thu, 26 Nov 2026 18:00:00 GMT"):
        assert get(server, path, Range="bytes=0-9", If_Range=condition).status_code == 200


@pytest.mark.parametrize("link", RANGED)
def test_bytes_that_are_not_there(server: RunningServer, done: dict[str, Any], link: str) -> None:
    path = done["links"][link]
    size = len(get(server, path).content)
    answer = get(server, path, Range=f"bytes={size}-")
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    assert answer.json()["type"] == "urn:cytolibra:problem:range-not-satisfiable"


@pytest.mark.parametrize("value", ["", "bytes", "bytes=", "bytes=5-2", "bytes=a-b", "lines=0-1"])
@pytest.mark.parametrize("link", RANGED)
def test_range_that_is_none_is_ignored(
    server: RunningServer, done: dict[str, Any], link: str, value: str
) -> None:
    assert get(server, done["links"][link], Range=value).status_code == 200


def test_ranges_leave_no_files(server: RunningServer, done: dict[str, Any]) -> None:
    assert get(server, done["links"]["annotations"], Range="bytes=0-9").status_code == 206
    assert list((server.data / "uploads").iterdir()) == []


def test_slide_that_is_not_done_has_no_tag(server: RunningServer) -> None:
    answer = get(server, "/v1/slides/nowhere/report", If_None_Match="*")
    assert answer.status_code == 404
    assert "etag" not in answer.headers


def test_range_that_the_disk_has_no_room_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSpaceError, match="without Range"):
        spool(iter([b"x"]), tmp_path, 1 << 60)
    assert list(tmp_path.iterdir()) == []


def request_with(value: str) -> Request:
    return Request({"type": "http", "method": "GET", "headers": [(b"range", value.encode())]})


DATA = hashlib.sha256(b"data").digest()


@given(st.integers(0, 40), st.none() | st.integers(0, 40))
def test_range_is_as_the_standard_has_it(first: int, last: int | None) -> None:
    request = request_with(f"bytes={first}-{'' if last is None else last}")
    expected = DATA[first : None if last is None else last + 1]
    if last is not None and last < first:
        assert not is_range_requested(request, "tag")
    elif first >= len(DATA):
        with pytest.raises(HTTPException):
            send_bytes(request, DATA, {}, "tag", "image/jpeg")
    else:
        answer = send_bytes(request, DATA, {}, "tag", "image/jpeg")
        assert answer.headers["content-length"] == str(len(expected))
        end = first + len(expected) - 1
        assert answer.headers["content-range"] == f"bytes {first}-{end}/{len(DATA)}"
