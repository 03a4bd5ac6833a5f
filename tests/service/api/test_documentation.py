"""Every call answers as its description says, whatever is sent (Schemathesis, on a real server)."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.api.error_status import KINDS
from tests.service.running_server import RunningServer

SCHEMATHESIS_TOML = Path(__file__).parent / "schemathesis.toml"
#: Of each call; with all phases some 40 times as many requests.
EXAMPLES = "5"
SCHEMATHESIS = (sys.executable, "-m", "schemathesis.cli", "--config-file")


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Not the one of the other tests, since whatever is in it may be deleted."""
    running = RunningServer(tmp_path_factory.mktemp("own")).start()
    yield running
    assert running.stop() == 0


def run_schemathesis(server: RunningServer, config: Path, folder: Path, *options: str) -> str:
    """What it says, if it has found nothing."""
    address = f"{server.client.base_url}/openapi.json"
    command = [*SCHEMATHESIS, str(config), "run", address, "--max-examples", EXAMPLES, *options]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
def test_every_call_answers_as_described(own_server: RunningServer, tmp_path: Path) -> None:
    said = run_schemathesis(own_server, SCHEMATHESIS_TOML, tmp_path)
    assert "Selected: 13/13" in said


@pytest.mark.slow
def test_results_of_a_slide_are_as_described(
    own_server: RunningServer, slide_file: Path, tmp_path: Path
) -> None:
    done = own_server.wait_until_ended(own_server.post(slide_file).json()["id"])
    config = tmp_path / "schemathesis.toml"
    shared = (SCHEMATHESIS_TOML).read_text()
    config.write_text(f'parameters = {{ slide_id = "{done["id"]}" }}\n{shared}')
    options = ("--include-name-regex", "^GET .*slide_id")
    phases = ("--phases", "coverage,fuzzing")
    said = run_schemathesis(own_server, config, tmp_path, *options, *phases)
    assert "Selected: 5/13" in said
    metrics = own_server.client.get("/metrics").text
    for route in ("report", "annotations", "thumbnail.jpg", "events"):
        answered = f'route="/v1/slides/{{slide_id}}/{route}",status="200"'
        assert answered in metrics, route


def answers(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (f"{method} {path}", status, answer)
        for path, methods in schema["paths"].items()
        for method, call in methods.items()
        for status, answer in call["responses"].items()
    ]


def test_headers_that_a_client_needs_are_described(server: RunningServer) -> None:
    schema = server.client.get("/openapi.json").json()
    needed = {
        "202": set(),
        "503": {"Retry-After"},
        "429": {"Retry-After"},
        "206": {"Content-Range"},
    }
    described = answers(schema)
    for call, status, answer in described:
        assert set(answer.get("headers", {})) >= needed.get(status, set()), (call, status)
    accepted = next(
        answer for call, status, answer in described if (call, status) == ("post /v1/slides", "202")
    )
    assert "Location" in accepted["headers"]
    assert "503" in [status for _, status, _ in described]


def test_errors_are_described_as_problems(server: RunningServer) -> None:
    schema = server.client.get("/openapi.json").json()
    statuses = {str(kind.status) for kind in KINDS.values()} | {"default"}
    for call, status, answer in answers(schema):
        if status in statuses and "readyz" not in call:
            assert list(answer["content"]) == ["application/problem+json"], (call, status)
    assert "HTTPValidationError" not in schema["components"]["schemas"]
