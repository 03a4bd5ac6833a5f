"""A server that stops says so to those who are sending."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.running_server import RunningServer, wait_for

#: Open requests have 3 s to end, and the worker 5; the rest is for a machine that is busy.
STOP_TIMEOUT_S = 30.0


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RunningServer]:
    running = RunningServer(tmp_path).start()
    yield running
    if running.is_running():
        running.stop()


@pytest.mark.parametrize("framing", ["Content-Length: 3000000", "Transfer-Encoding: chunked"])
def test_upload_is_told_that_the_server_stops(own_server: RunningServer, framing: str) -> None:
    url = own_server.client.base_url
    uploads = own_server.data / "uploads"
    with socket.create_connection((url.host, url.port or 80), timeout=5.0) as raw:
        raw.sendall(
            f"POST /v1/slides?detector=fake HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode()
        )
        raw.sendall(b"40000\r\n" if "chunked" in framing else b"")
        raw.sendall(b"x" * 0x20000)
        wait_for(lambda: any(uploads.iterdir()), 5.0)
        own_server.process.send_signal(signal.SIGTERM)
        began_s = time.monotonic()
        head, _, body = read_answer(raw).partition(b"\r\n\r\n")
        assert time.monotonic() - began_s < 2.0
    lines = head.decode().lower().splitlines()
    assert lines[0].startswith("http/1.1 503")
    assert "content-type: application/problem+json" in lines
    assert any(line.startswith("retry-after: ") for line in lines)
    assert b"urn:cytolibra:problem:server-stopping" in body
    assert own_server.end(STOP_TIMEOUT_S) == 0
    assert list(uploads.iterdir()) == []


def read_answer(raw: socket.socket) -> bytes:
    answer = b""
    while b"}" not in answer and (piece := raw.recv(65536)):
        answer += piece
    return answer


@pytest.mark.parametrize("goes_on_sending", [True, False])
def test_refusal_stands_when_the_server_stops_meanwhile(
    own_server: RunningServer, goes_on_sending: bool
) -> None:
    url = own_server.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=5.0) as raw:
        raw.sendall(b"POST /v1/slides?acession=1 HTTP/1.1\r\nHost: x\r\n")
        raw.sendall(b"Content-Length: 300000000\r\n\r\n")
        assert b"unknown-field" in read_answer(raw)
        own_server.process.send_signal(signal.SIGTERM)
        for _ in range(10 if goes_on_sending else 0):
            time.sleep(0.05)
            raw.sendall(b"x" * 100_000)
        assert raw.recv(65536) == b""
    assert own_server.end(STOP_TIMEOUT_S) == 0
    # The server neither failed on the upload nor had to cancel it.
    for word in ("Traceback", "request failed", "Cancel", "cancel"):
        assert word not in own_server.logged()


def test_client_that_goes_on_sending_reads_the_answer(own_server: RunningServer) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 100_000
        wait_for(lambda: any((own_server.data / "uploads").iterdir()), 5.0)
        own_server.process.send_signal(signal.SIGTERM)
        for _ in range(10):
            time.sleep(0.05)
            yield b"x" * 100_000

    with httpx.Client(base_url=own_server.client.base_url, timeout=10.0) as client:
        answer = client.post("/v1/slides", params={"detector": "fake"}, content=pieces())
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:cytolibra:problem:server-stopping"
    assert int(answer.headers["retry-after"]) > 0
    assert own_server.end(STOP_TIMEOUT_S) == 0
