"""Results that an earlier version stored are answered in the form of today."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from service.pipeline.report.model import REPORT_FORMAT
from service.storage.blobs import detections_key, open_local_blobs
from service.storage.data_dir import DataDir
from service.storage.database import open_database, results_url
from service.storage.tables import Slide
from tests.service.fake_server import CELLS_XY
from tests.service.running_server import RunningServer

TESTS = Path(__file__).parents[1]
REPORT = TESTS / "pipeline" / "report" / "first_form.json"
DETECTIONS = TESTS / "storage" / "files" / "detections_without_class_scores.parquet"


ACCESSION = "earlier"


@pytest.fixture
def earlier(server: RunningServer, slide_file: Path) -> Iterator[dict[str, Any]]:
    """A done slide with report and detections as an earlier version stored them."""
    slide_id = server.post(slide_file, accession=ACCESSION).json()["id"]
    status = server.wait_until_ended(slide_id)
    assert status["status"] == "done", status
    data_dir = DataDir(server.data)
    open_local_blobs(data_dir.blobs).put(detections_key(slide_id), DETECTIONS.read_bytes())
    engine = open_database(results_url(data_dir.results_db))
    with Session(engine) as session, session.begin():
        report = json.loads(REPORT.read_text())
        session.execute(update(Slide).where(Slide.id == slide_id).values(report=report))
    engine.dispose()
    yield status
    server.client.delete(f"/v1/slides/{slide_id}").raise_for_status()


def test_earlier_report_is_answered(server: RunningServer, earlier: dict[str, Any]) -> None:
    answer = server.client.get(earlier["links"]["report"])
    assert answer.status_code == 200
    report = answer.json()
    assert report["format"] == REPORT_FORMAT
    assert report["category_code"] == "none-supported"
    assert [flag["code"] for flag in report["quality"]] == ["earlier-report"]


def test_earlier_cells_are_answered(server: RunningServer, earlier: dict[str, Any]) -> None:
    answer = server.client.get(earlier["links"]["annotations"])
    assert answer.status_code == 200
    assert len(answer.json()["features"]) == 50


def test_slide_sent_again_is_analysed_again(
    server: RunningServer, slide_file: Path, earlier: dict[str, Any]
) -> None:
    answer = server.post(slide_file, accession=ACCESSION)
    assert (answer.status_code, answer.json()["id"]) == (202, earlier["id"])
    assert server.wait_until_ended(earlier["id"])["status"] == "done"
    report = server.client.get(earlier["links"]["report"]).json()
    assert "earlier-report" not in [flag["code"] for flag in report["quality"]]
    assert report["num_cells"] == len(CELLS_XY)
    assert server.post(slide_file, accession=ACCESSION).status_code == 200
