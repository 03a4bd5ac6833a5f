"""A slide that takes seconds, and a server that is restarted after a test killed it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.running_server import RunningServer
from tests.service.small_slide import draw_slide


@pytest.fixture(scope="module")
def slide_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_slide(tmp_path_factory.mktemp("slide") / "slide.svs")


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of a file; while it exists, the worker crashes on every slide."""
    return tmp_path_factory.mktemp("deaths") / "deaths"


@pytest.fixture(scope="module")
def shared_server(
    tmp_path_factory: pytest.TempPathFactory, deaths: Path
) -> Iterator[RunningServer]:
    server = RunningServer(
        tmp_path_factory.mktemp("server"),
        FAKE_DELAY_S="0.05",
        FAKE_DEATHS_FILE=str(deaths),
        CYTOLIBRA_MAX_STALLED_STARTS="2",
    )
    yield server
    assert not server.is_running() or server.stop() == 0


@pytest.fixture
def server(shared_server: RunningServer) -> RunningServer:
    return shared_server if shared_server.is_running() else shared_server.start()
