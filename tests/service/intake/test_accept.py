"""A received slide is queued, recognised or refused; a refused slide leaves nothing."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.errors import MppMissingError, NotASlideError, QueueFullError, SlideUnreadableError
from service.intake.accept import Intake, SlideRequest, accept, request_digest
from service.intake.receive import ReceivedFile
from service.jobs.client import JobQueue
from service.jobs.durable import prepare_jobs_database
from service.pipeline.report.model import REPORT_FORMAT
from service.pipeline.slide import check_slide
from service.pipeline.types import SlideInfo
from service.storage.data_dir import DataDir
from service.storage.database import migrate, open_database, results_url
from service.storage.results import Slides
from service.storage.tables import Status
from tests.service.fake_server import known_cells
from tests.service.small_slide import draw_slide

FIRST_FORM = Path(__file__).parents[1] / "pipeline" / "report" / "first_form.json"
REQUEST = SlideRequest(known_cells().info, None, "C26-1")


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    data_dir = DataDir(tmp_path / "data")
    data_dir.create()
    engine = open_database(results_url(data_dir.results_db))
    migrate(engine)
    prepare_jobs_database(data_dir.jobs_db)
    jobs = JobQueue(data_dir.jobs_db)
    yield Intake(Slides(engine), jobs, data_dir.slides, check_slide, max_queue_length=2)
    jobs.close()
    engine.dispose()


def receive(path: Path, filename: str = "SMITH.svs") -> ReceivedFile:
    data = path.read_bytes()
    return ReceivedFile(path, hashlib.sha256(data).hexdigest(), len(data), filename)


def slide(folder: Path, seed: int = 0, mpp: float | None = 0.5) -> ReceivedFile:
    return receive(draw_slide(folder / "upload.part", 256, mpp=mpp, seed=seed))


def test_new_slide_is_moved_and_queued(intake: Intake, tmp_path: Path) -> None:
    file = slide(tmp_path)
    accepted = accept(intake, file, REQUEST)
    assert accepted.is_queued_now
    assert (accepted.slide.status, accepted.slide.accession) == (Status.QUEUED, "C26-1")
    assert not file.path.exists()
    stored = intake.folder / accepted.slide.stored_name
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == file.sha256


def test_same_slide_again_is_recognised(intake: Intake, tmp_path: Path) -> None:
    first = accept(intake, slide(tmp_path), REQUEST)
    again = accept(intake, slide(tmp_path), REQUEST)
    assert (again.slide.id, again.is_queued_now) == (first.slide.id, False)
    renumbered = accept(intake, slide(tmp_path), replace(REQUEST, accession="C26-2"))
    assert renumbered.slide.id != first.slide.id


def test_cancelled_slide_is_queued_again(intake: Intake, tmp_path: Path) -> None:
    first = accept(intake, slide(tmp_path), REQUEST)
    intake.slides.cancel(first.slide.id)
    again = accept(intake, slide(tmp_path), REQUEST)
    assert (again.slide.id, again.is_queued_now) == (first.slide.id, True)
    assert again.slide.run == 2


@pytest.mark.parametrize(
    ("report", "is_queued_again"),
    [
        (json.loads(FIRST_FORM.read_text()), True),
        ({"format": "cytolibra-report-1"}, True),
        ({"format": REPORT_FORMAT}, False),
    ],
)
def test_done_slide_is_queued_again_if_its_report_is_of_another_version(
    intake: Intake, tmp_path: Path, report: dict[str, Any], is_queued_again: bool
) -> None:
    slide_id = accept(intake, slide(tmp_path), REQUEST).slide.id
    intake.slides.start(slide_id, 1)
    assert intake.slides.finish(slide_id, report, 1)
    again = accept(intake, slide(tmp_path), REQUEST)
    assert (again.slide.id, again.is_queued_now) == (slide_id, is_queued_again)
    assert again.slide.status == ("queued" if is_queued_again else "done")
    assert not accept(intake, slide(tmp_path), REQUEST).is_queued_now


def test_refused_slide_leaves_nothing(intake: Intake, tmp_path: Path) -> None:
    text = tmp_path / "upload.part"
    text.write_bytes(b"no slide at all" * 100)
    with pytest.raises(NotASlideError):
        accept(intake, receive(text), REQUEST)
    with pytest.raises(MppMissingError):
        accept(intake, slide(tmp_path, mpp=None), REQUEST)
    assert list(intake.folder.iterdir()) == []
    assert intake.slides.ids() == set()


def test_error_names_the_file_as_the_client_did(intake: Intake, tmp_path: Path) -> None:
    def refuse(path: Path, mpp: float | None) -> SlideInfo:
        raise SlideUnreadableError(f"{path}: {path.name} cannot be read; upload it again")

    with pytest.raises(SlideUnreadableError, match=r"^SMITH\.svs: SMITH\.svs cannot"):
        accept(replace(intake, check=refuse), slide(tmp_path), REQUEST)
    assert list(intake.folder.iterdir()) == []


def test_full_queue_accepts_only_known_slides(intake: Intake, tmp_path: Path) -> None:
    for seed in (1, 2):
        accept(intake, slide(tmp_path, seed), REQUEST)
    with pytest.raises(QueueFullError):
        accept(intake, slide(tmp_path, 3), REQUEST)
    assert not accept(intake, slide(tmp_path, 2), REQUEST).is_queued_now
    assert len(list(intake.folder.iterdir())) == 2


def test_accession_that_is_not_normalised_is_refused(intake: Intake, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not normalised"):
        accept(intake, slide(tmp_path), replace(REQUEST, accession=" C26-1"))


def test_request_digests_differ_by_every_field(tmp_path: Path) -> None:
    file = slide(tmp_path)
    requests = [
        (file, REQUEST),
        (replace(file, filename="JONES.svs"), REQUEST),
        (replace(file, sha256="0" * 64), REQUEST),
        (file, replace(REQUEST, accession=None)),
        (file, replace(REQUEST, mpp=0.25)),
    ]
    assert len({request_digest(*request) for request in requests}) == len(requests)
    assert request_digest(file, REQUEST) == request_digest(file, replace(REQUEST))


@pytest.mark.parametrize("suffix", [".vms", ".VMU", ".mrxs"])
def test_a_file_that_names_others_is_refused_before_it_is_opened(
    intake: Intake, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / "upload.part"
    path.write_text("[Virtual Microscope Specimen]\nImageFile=../../secret.jpg\n")
    with pytest.raises(NotASlideError, match="names others"):
        accept(intake, receive(path, f"a{suffix}"), replace(REQUEST, mpp=0.25))
    assert list(intake.folder.iterdir()) == []
