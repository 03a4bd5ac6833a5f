"""Every answer tells browsers to guess, load and keep nothing."""

import httpx
import pytest

from tests.service.running_server import RunningServer


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
