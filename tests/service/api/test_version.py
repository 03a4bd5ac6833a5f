"""The version of the API is stated in one place."""

from pathlib import Path

import pytest

from service.api.version import PREFIX, SLIDES_PATH, VERSION
from tests.service.running_server import ROOT, RunningServer

SOURCES = sorted((ROOT / "service").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_version_is_written_nowhere_else(path: Path) -> None:
    assert PREFIX not in path.read_text(encoding="utf-8")


def test_every_call_is_of_this_version(server: RunningServer) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    assert SLIDES_PATH in paths
    for path in paths:
        assert path.startswith(f"/{VERSION}/")
