"""One real server for all tests of the API, and slides to send to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.running_server import RunningServer
from tests.service.small_slide import draw_slide


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = RunningServer(
        tmp_path_factory.mktemp("api"), CYTOLIBRA_MAX_UPLOAD_BYTES="4000000"
    ).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def slide_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_slide(tmp_path_factory.mktemp("slide") / "SMITH^JANE.svs")


@pytest.fixture(scope="session")
def done(server: RunningServer, slide_file: Path) -> dict[str, Any]:
    """A slide that has been analysed."""
    answer = server.post(slide_file, accession="C26-77777")
    assert answer.status_code == 202
    status = server.wait_until_ended(answer.json()["id"])
    assert status["status"] == "done", status
    return status


@pytest.fixture
def nothing_left(server: RunningServer) -> Iterator[None]:
    """Checks that a test leaves neither files nor slides behind."""

    def kept() -> tuple[set[Path], int]:
        files = set((server.data / "slides").iterdir()) | set((server.data / "uploads").iterdir())
        total: int = server.client.get("/v1/slides").json()["total"]
        return files, total

    before = kept()
    yield
    assert kept() == before
