"""HEAD wherever there is GET, OPTIONS everywhere, and Allow that leaves nothing out."""

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.running_server import RunningServer

#: Date and duration differ from one answer to the next.
VARYING = {"date"}
PLAIN = {"Accept-Encoding": "identity"}


def same_headers(head: httpx.Response, get: httpx.Response) -> bool:
    return all(
        head.headers.get(name) == value
        for name, value in get.headers.items()
        if name not in VARYING
    )


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/docs/swagger-ui.css", "/openapi.json", "/healthz", "/readyz", "/v1/healthz"],
)
def test_head_is_get_without_the_body(server: RunningServer, path: str) -> None:
    get, head = server.client.get(path), server.client.head(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    assert same_headers(head, get)


@pytest.mark.parametrize("link", ["self", "report", "annotations", "thumbnail", "events"])
@pytest.mark.parametrize("headers", [{}, PLAIN])
def test_head_of_a_slide(
    server: RunningServer, done: dict[str, Any], link: str, headers: dict[str, str]
) -> None:
    get = server.client.get(done["links"][link], headers=headers)
    head = server.client.head(done["links"][link], headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert same_headers(head, get)


@pytest.mark.parametrize("path", ["/v1/slides", "/v1/detectors", "/metrics"])
def test_head_of_what_changes(server: RunningServer, path: str) -> None:
    assert server.client.head(path).status_code == 200


def test_head_of_what_is_not_there(server: RunningServer) -> None:
    answer = server.client.head("/v1/slides/nowhere")
    assert (answer.status_code, answer.content) == (404, b"")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("link", ["annotations", "thumbnail"])
def test_head_is_of_the_whole(server: RunningServer, done: dict[str, Any], link: str) -> None:
    head = server.client.head(done["links"][link], headers=PLAIN | {"Range": "bytes=0-9"})
    assert head.status_code == 200
    assert "content-range" not in head.headers


def test_connection_is_fit_for_use_after_head(server: RunningServer, done: dict[str, Any]) -> None:
    """A HEAD whose GET streams leaves no bytes behind that the next answer would begin with."""
    url = server.client.base_url
    with httpx.Client(base_url=url, limits=httpx.Limits(max_connections=1)) as client:
        for _ in range(3):
            assert client.head(done["links"]["annotations"]).status_code == 200
            assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/slides", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/v1/slides/any", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("/v1/slides/any/cancel", {"POST", "OPTIONS"}),
        ("/v1/slides/any/report", {"GET", "HEAD", "OPTIONS"}),
        ("/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("/docs", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_allow_is_complete(server: RunningServer, path: str, methods: set[str]) -> None:
    options = server.client.options(path)
    refused = server.client.request("BREW", path)
    assert (options.status_code, options.content) == (204, b"")
    assert refused.status_code == 405
    for answer in (options, refused):
        assert set(answer.headers["allow"].split(", ")) == methods


def test_options_of_nothing_is_not_found(server: RunningServer) -> None:
    assert server.client.options("/v1/nothing").status_code == 404


def test_options_of_the_whole_server(server: RunningServer) -> None:
    url = server.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=5.0) as raw:
        raw.sendall(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 204 " in raw.recv(65536).splitlines()[0]


def test_unknown_method_is_no_label_of_its_own(server: RunningServer) -> None:
    server.client.request("BREW", "/v1/slides")
    assert "BREW" not in server.client.get("/metrics").text


def test_head_says_that_the_server_is_not_ready(tmp_path: Path) -> None:
    server = RunningServer(tmp_path, CYTOLIBRA_MIN_FREE_BYTES=str(1 << 60)).start(until="/healthz")
    try:
        get, head = server.client.get("/readyz"), server.client.head("/readyz")
    finally:
        server.stop()
    assert (get.status_code, head.status_code, head.content) == (503, 503, b"")
    assert get.json()["disk_space"] is False
    assert int(head.headers["retry-after"]) > 0
