"""Every answer tells browsers to guess, load and keep nothing."""

from pathlib import Path

import httpx
import pytest

from tests.service.running_server import RunningServer
from tests.service.small_slide import draw_slide


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/slides"),
        ("GET", "/v1/nothing"),
        ("GET", "/docs"),
        ("GET", "/docs/initialise.js"),
        ("OPTIONS", "/v1/slides"),
        ("PUT", "/v1/slides"),
        ("POST", "/v1/slides"),
        ("GET", "/metrics"),
    ],
)
def test_nothing_is_guessed(server: RunningServer, method: str, path: str) -> None:
    answer: httpx.Response = server.client.request(method, path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers.get_list("cache-control", split_commas=False) in (
        ["no-store"],
        ["public, no-cache"],
    )


def test_nothing_is_guessed_of_what_fails_unforeseen(server: RunningServer, tmp_path: Path) -> None:
    slide = server.post(draw_slide(tmp_path / "lost.svs", 512, seed=40)).json()
    assert server.wait_until_ended(slide["id"])["status"] == "done"
    (detections,) = (server.data / "blobs").rglob(f"*{slide['id']}*/detections.parquet")
    detections.unlink()
    answer = server.client.get(slide["links"]["annotations"])
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:cytolibra:problem:internal"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert server.client.delete(slide["links"]["self"]).status_code == 204
