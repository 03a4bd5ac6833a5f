"""Slides are analysed to the end, and once, although worker or server are killed meanwhile."""

import os
import signal
from pathlib import Path
from typing import Any

import psutil

from tests.service.running_server import RunningServer, wait_for


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def results(server: RunningServer, slide_id: str) -> tuple[Any, str]:
    """Report and annotations, without provenance: these must not depend on interruptions."""
    report = server.client.get(f"/v1/slides/{slide_id}/report").raise_for_status().json()
    report.pop("provenance")
    links = server.status(slide_id)["links"]
    return report, server.client.get(links["annotations"]).raise_for_status().text


def begin(server: RunningServer, slide: Path, tiles: int = 1, **query: str) -> dict[str, Any]:
    """The status of a new slide after at least `tiles` tiles are done."""
    answer = server.post(slide, **query)
    assert answer.status_code == 202
    return server.wait_until(answer.json()["id"], lambda status: status["tiles_done"] >= tiles)


def test_killed_worker_leaves_no_trace_in_the_result(
    server: RunningServer, slide_file: Path
) -> None:
    undisturbed = begin(server, slide_file, accession="undisturbed")["id"]
    server.wait_until_ended(undisturbed)
    interrupted = begin(server, slide_file, tiles=9, accession="interrupted")["id"]
    pid = server.worker_pid()
    os.kill(pid, signal.SIGKILL)
    assert server.client.get("/healthz").status_code == 200
    wait_for(lambda: (server.data / "worker.pid").exists() and server.worker_pid() != pid, 8.0)
    assert server.wait_until_ended(interrupted)["status"] == "done"
    assert results(server, interrupted) == results(server, undisturbed)
    assert '"starts": 1' in server.logged()
    assert not list((server.data / "blobs").rglob("*.arrow"))


def test_slide_is_resumed_after_a_restart(server: RunningServer, slide_file: Path) -> None:
    slide = begin(server, slide_file, tiles=9, accession="restart")
    with server.client.stream("GET", slide["links"]["events"]) as events:
        assert next(events.iter_lines()) == "event: status"
        assert server.stop(timeout_s=10.0) == 0
    assert not (server.data / "worker.pid").exists()
    assert len(list((server.data / "blobs").rglob("*.arrow"))) >= 1
    server.start()
    status = server.status(slide["id"])
    assert status["status"] == "running"
    assert status["tiles_done"] >= 8
    assert server.wait_until_ended(slide["id"])["status"] == "done"


def test_worker_never_outlives_its_server(server: RunningServer, slide_file: Path) -> None:
    slide = begin(server, slide_file, accession="outlive")
    pid = server.worker_pid()
    server.kill()
    wait_for(lambda: is_gone(pid), 8.0)
    server.start()
    assert server.wait_until_ended(slide["id"])["status"] == "done"


def test_slide_that_kills_the_worker_is_given_up(
    server: RunningServer, slide_file: Path, deaths: Path
) -> None:
    deaths.touch()
    slide = server.post(slide_file, accession="deaths").json()
    failed = server.wait_until_ended(slide["id"])
    assert failed["status"] == "failed"
    assert failed["error"]["type"] == "urn:cytolibra:problem:analysis-crashed"
    assert "2 times" in failed["error"]["detail"]
    deaths.unlink()
    again = server.post(slide_file, accession="deaths")
    assert (again.status_code, again.json()["id"]) == (202, slide["id"])
    assert server.wait_until_ended(slide["id"])["status"] == "done"


def test_running_slide_is_cancelled_then_deleted_or_sent_again(
    server: RunningServer, slide_file: Path
) -> None:
    slide = begin(server, slide_file, accession="cancel")
    waiting = server.post(slide_file, accession="waiting").json()
    assert server.status(waiting["id"])["queue_position"] == 1
    path = f"/v1/slides/{slide['id']}"
    refused = server.client.delete(path)
    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "urn:cytolibra:problem:slide-busy",
    )
    refused = server.client.get(f"{path}/report")
    assert refused.json()["type"] == "urn:cytolibra:problem:slide-not-done"
    assert server.client.post(f"/v1/slides/{waiting['id']}/cancel").json()["status"] == "cancelled"
    assert server.client.post(f"{path}/cancel").status_code == 202
    assert server.wait_until_ended(slide["id"], 10.0)["status"] == "cancelled"
    again = server.post(slide_file, accession="cancel")
    assert (again.status_code, again.json()["id"]) == (202, slide["id"])
    assert server.wait_until_ended(slide["id"])["status"] == "done"
    assert server.status(waiting["id"])["status"] == "cancelled"
    assert server.client.delete(path).status_code == 204


def test_api_answers_at_once_while_a_slide_is_worked_on(
    server: RunningServer, slide_file: Path
) -> None:
    begin(server, slide_file, accession="busy")
    slowest = max(server.client.get("/v1/slides").elapsed.total_seconds() for _ in range(20))
    assert slowest < 1.0
