"""Slides over a real socket: sent, recognised, listed, deleted."""

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.pipeline.report.model import SlideReport
from tests.service.running_server import RunningServer
from tests.service.small_slide import draw_slide


def test_slide_goes_in_and_report_comes_out(server: RunningServer, done: dict[str, Any]) -> None:
    assert (done["progress"], done["tiles_done"]) == (1.0, done["tiles_total"])
    assert done["error"] is None
    report = server.client.get(done["links"]["report"]).json()
    assert sum(report["counts"].values()) == report["num_cells"] == 100
    SlideReport.model_validate(report)
    assert report["format"] == "cytolibra-report-2"
    assert 0 < report["abnormality_score"] <= 1


def test_raw_body_is_the_same_slide(
    server: RunningServer, done: dict[str, Any], slide_file: Path
) -> None:
    answer = server.client.post(
        "/v1/slides",
        params={"detector": "fake", "accession": "C26-77777", "filename": "other.svs"},
        content=slide_file.read_bytes(),
    )
    assert answer.status_code == 200
    assert answer.json()["id"] == done["id"]
    assert answer.headers["location"] == f"/v1/slides/{done['id']}"


def test_chunked_body_without_length_is_taken(
    server: RunningServer, done: dict[str, Any], slide_file: Path
) -> None:
    data = slide_file.read_bytes()
    pieces = (data[start : start + 10_000] for start in range(0, len(data), 10_000))
    answer = server.client.post(
        "/v1/slides", params={"detector": "fake", "accession": "C26-77777"}, content=pieces
    )
    assert (answer.status_code, answer.json()["id"]) == (200, done["id"])


def test_other_accession_is_another_slide(
    server: RunningServer, done: dict[str, Any], slide_file: Path
) -> None:
    answer = server.post(slide_file, accession="C26-88888")
    assert answer.status_code == 202
    other = answer.json()["id"]
    assert other != done["id"]
    server.wait_until_ended(other)
    assert server.client.delete(f"/v1/slides/{other}").status_code == 204
    assert server.client.get(f"/v1/slides/{other}").status_code == 404
    assert not list((server.data / "slides").glob(f"{other}*"))
    assert not list((server.data / "blobs").rglob(f"*{other}*"))


def test_same_slide_sent_twice_at_once_is_one(server: RunningServer, tmp_path: Path) -> None:
    slide = draw_slide(tmp_path / "twice.svs", 512, seed=1)
    answers: list[httpx.Response] = []

    def send() -> None:
        answers.append(server.post(slide))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(list((server.data / "slides").glob(f"{answers[0].json()['id']}*"))) == 1


def test_list_is_paged(server: RunningServer, done: dict[str, Any]) -> None:
    page = server.client.get("/v1/slides", params={"limit": 1, "status": "done"}).json()
    assert len(page["slides"]) == 1
    everything = server.client.get("/v1/slides", params={"limit": 500}).json()
    assert done["id"] in [slide["id"] for slide in everything["slides"]]
    assert everything["links"]["next"] is None


def test_slide_deleted_while_paging_hides_no_other(server: RunningServer, tmp_path: Path) -> None:
    sent = [
        server.post(draw_slide(tmp_path / f"{n}.svs", 512, seed=20 + n)).json() for n in range(4)
    ]
    expected = [slide["id"] for slide in server.client.get("/v1/slides").json()["slides"]]
    page = server.client.get("/v1/slides", params={"limit": 2}).json()
    listed = [slide["id"] for slide in page["slides"]]
    for slide in sent:
        server.wait_until_ended(slide["id"])
    for slide in reversed(sent[2:]):
        assert server.client.delete(f"/v1/slides/{slide['id']}").status_code == 204
    while (next_page := page["links"]["next"]) is not None:
        page = server.client.get(next_page).json()
        listed += [slide["id"] for slide in page["slides"]]
    assert listed == expected
    for slide in sent[:2]:
        server.client.delete(f"/v1/slides/{slide['id']}")


def test_idempotency_key_gives_the_first_answer(server: RunningServer, tmp_path: Path) -> None:
    slide = draw_slide(tmp_path / "key.svs", 512, seed=2)
    other = draw_slide(tmp_path / "other.svs", 512, seed=3)

    def send(path: Path) -> httpx.Response:
        return server.client.post(
            "/v1/slides",
            params={"detector": "fake"},
            files={"file": path.read_bytes()},
            headers={"Idempotency-Key": "key-1"},
        )

    first = send(slide)
    server.wait_until_ended(first.json()["id"])
    again = send(slide)
    assert (again.status_code, again.json()) == (202, first.json())
    refused = send(other)
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:cytolibra:problem:idempotency-conflict"


def test_key_of_a_refused_upload_can_be_used_again(server: RunningServer, tmp_path: Path) -> None:
    slide = draw_slide(tmp_path / "again.svs", 512, seed=4)
    headers = {"Idempotency-Key": "key-2"}
    query = {"detector": "fake"}
    bad = server.client.post("/v1/slides", params=query, content=b"no slide", headers=headers)
    assert bad.status_code == 415
    with slide.open("rb") as file:
        good = server.client.post("/v1/slides", params=query, content=file, headers=headers)
    assert good.status_code == 202


def test_thumbnail_is_a_jpeg(server: RunningServer, done: dict[str, Any]) -> None:
    answer = server.client.get(done["links"]["thumbnail"])
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8")


def test_events_end_with_the_slide(server: RunningServer, tmp_path: Path) -> None:
    slide = server.post(draw_slide(tmp_path / "events.svs", 1024, seed=5)).json()
    with server.client.stream("GET", slide["links"]["events"]) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    assert text.count("event: status") >= 2
    last = [line for line in text.splitlines() if line.startswith("data: ")][-1]
    assert json.loads(last.removeprefix("data: "))["status"] == "done"
    assert server.client.get("/v1/slides/nowhere/events").status_code == 404


def test_cancel_of_a_done_slide_changes_nothing(
    server: RunningServer, done: dict[str, Any]
) -> None:
    answer = server.client.post(done["links"]["cancel"])
    assert (answer.status_code, answer.json()["status"]) == (202, "done")


@pytest.mark.usefixtures("done")
def test_log_names_no_patient(server: RunningServer) -> None:
    assert "slide done" in server.logged()
    for secret in ("SMITH", "C26-"):
        assert secret not in server.logged()
