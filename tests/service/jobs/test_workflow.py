"""A slide's job ends in done, failed or cancelled, with a reason that clients may see."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from service.errors import AnalysisCancelledError
from service.jobs.loaded_detectors import LoadedDetectors
from service.jobs.workflow import ProgressWriter, SlideJob
from service.pipeline.types import Detections, Progress, TileBatch
from service.settings import read_settings
from service.storage.blobs import Blobs, detections_key, open_local_blobs
from service.storage.database import migrate, open_database, results_url
from service.storage.detections import DetectionsFile
from service.storage.new_slide import NewSlide
from service.storage.results import Slides
from tests.service.fake_server import CELLS_XY, FakeCatalogue, known_cells
from tests.service.small_slide import draw_slide

ID = "7f0c1c0e-5a52-4a8e-9d6d-6b2f6d0b1a11"


@dataclass(frozen=True)
class JobBench:
    """A job on a slide in a folder; its durable steps are plain calls."""

    job: SlideJob
    slides: Slides
    blobs: Blobs
    steps: dict[str, str]

    def run(self) -> str:
        self.job.run(ID, 1)
        return self.slides.get(ID).status


class SingleDetectorCatalogue(FakeCatalogue):
    """A catalogue whose only detector calls `detect`."""

    def __init__(self, detect: Callable[[TileBatch], Detections]) -> None:
        super().__init__(0, Path("/nowhere"))
        self.info = known_cells().info
        self.detect = detect

    def load(self, name: str) -> "SingleDetectorCatalogue":  # type: ignore[override]
        return self


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[JobBench]:
    engine = open_database(results_url(tmp_path / "results.sqlite"))
    migrate(engine)
    slides, blobs = Slides(engine), open_local_blobs(tmp_path)
    (tmp_path / "slides").mkdir()
    draw_slide(tmp_path / "slides" / f"{ID}.svs")
    info = known_cells().info
    slides.add(NewSlide(ID, "a" * 64, info.name, info.digest, None, None, "s.svs", ".svs", 1))
    steps: dict[str, str] = {}

    def run_step(name: str, step: Callable[[], str]) -> str:
        if name not in steps:
            steps[name] = step()
        return steps[name]

    job = SlideJob(
        run_step=run_step,
        slides=slides,
        blobs=blobs,
        slides_dir=tmp_path / "slides",
        detectors=LoadedDetectors(FakeCatalogue(0, Path("/nowhere"))),
        settings=read_settings(data_dir=tmp_path, group_size=40),
        on_start=lambda _: None,
        on_end=lambda _: None,
    )
    yield JobBench(job, slides, blobs, steps)
    engine.dispose()


def with_detector(bench: JobBench, detect: Callable[[TileBatch], Detections]) -> JobBench:
    detectors = LoadedDetectors(SingleDetectorCatalogue(detect))
    return replace(bench, job=replace(bench.job, detectors=detectors))


def test_done_slide_has_all_detections(bench: JobBench) -> None:
    assert bench.run() == "done"
    with bench.blobs.open(detections_key(ID)) as source:
        assert len(DetectionsFile(source)) == len(CELLS_XY)
    assert len(bench.steps) > 1
    with pytest.raises(FileNotFoundError):
        bench.blobs.get(bench.steps["group-0"])


def test_finished_groups_are_not_analysed_again(bench: JobBench) -> None:
    batches = 0

    def die_late(batch: TileBatch) -> Detections:
        nonlocal batches
        batches += 1
        if batches == 12:
            raise KeyboardInterrupt
        return known_cells().detect(batch)

    with pytest.raises(KeyboardInterrupt):
        with_detector(bench, die_late).run()
    assert bench.slides.get(ID).status == "running"
    first = dict(bench.steps)
    assert first
    assert bench.run() == "done"
    assert first.items() <= bench.steps.items()
    assert bench.slides.get(ID).report["num_cells"] == len(CELLS_XY)


def with_settings(bench: JobBench, **settings: int) -> JobBench:
    changed = bench.job.settings.model_copy(update=settings)
    return replace(bench, job=replace(bench.job, settings=changed))


def interrupt_after_groups(bench: JobBench, num_groups: int) -> None:
    """The worker dies as soon as so many groups are stored."""

    def die(batch: TileBatch) -> Detections:
        if len(bench.steps) == num_groups:
            raise KeyboardInterrupt
        return known_cells().detect(batch)

    with pytest.raises(KeyboardInterrupt):
        with_detector(bench, die).run()


@pytest.mark.parametrize("sizes", [(20, 40), (40, 20), (20, 1000)])
def test_slide_resumed_with_groups_of_another_size_has_all_detections(
    bench: JobBench, sizes: tuple[int, int]
) -> None:
    interrupt_after_groups(with_settings(bench, group_size=sizes[0]), 2)
    assert with_settings(bench, group_size=sizes[1]).run() == "done"
    assert bench.slides.get(ID).report["num_cells"] == len(CELLS_XY)


def test_group_that_was_detected_again_is_kept(bench: JobBench) -> None:
    interrupt_after_groups(with_settings(bench, group_size=20), 2)
    resumed = with_settings(bench, group_size=40)
    num_batches = 0

    def die_in_third_group(batch: TileBatch) -> Detections:
        nonlocal num_batches
        num_batches += 1
        if num_batches == 11:  # 5 batches of 8 tiles a group
            raise KeyboardInterrupt
        return known_cells().detect(batch)

    with pytest.raises(KeyboardInterrupt):
        with_detector(resumed, die_in_third_group).run()
    num_batches = -1_000
    assert with_detector(resumed, die_in_third_group).run() == "done"
    num_tiles = bench.slides.get(ID).tiles_total
    assert num_batches + 1_000 == math.ceil((num_tiles - 80) / 8)
    assert bench.slides.get(ID).report["num_cells"] == len(CELLS_XY)


def test_unexpected_error_is_stored_without_details(bench: JobBench) -> None:
    def fail(batch: TileBatch) -> Detections:
        raise ZeroDivisionError("secret")

    assert with_detector(bench, fail).run() == "failed"
    slide = bench.slides.get(ID)
    assert slide.error_name == "InternalError"
    assert "secret" not in str(slide.error_detail)


def test_full_disk_is_stored_as_such(bench: JobBench) -> None:
    def fail(batch: TileBatch) -> Detections:
        raise OSError(28, "No space left on device")

    assert with_detector(bench, fail).run() == "failed"
    assert bench.slides.get(ID).error_name == "NoSpaceError"


def test_expected_error_names_no_path_of_the_server(bench: JobBench, tmp_path: Path) -> None:
    (tmp_path / "slides" / f"{ID}.svs").write_bytes(b"II*\x00broken")
    assert bench.run() == "failed"
    slide = bench.slides.get(ID)
    assert slide.error_name == "SlideUnreadableError"
    assert str(tmp_path) not in str(slide.error_detail)


def test_cancelled_slide_stops(bench: JobBench) -> None:
    def cancel(batch: TileBatch) -> Detections:
        bench.slides.cancel(ID)
        return known_cells().detect(batch)

    assert with_detector(bench, cancel).run() == "cancelled"


def test_slide_that_was_cancelled_while_no_worker_lived_stops_at_once(bench: JobBench) -> None:
    bench.slides.start(ID, 1)
    bench.slides.cancel(ID)
    assert bench.run() == "cancelled"
    assert bench.steps == {}


def test_slide_begun_too_often_is_given_up(bench: JobBench) -> None:
    for _ in range(3):
        bench.slides.start(ID, 1)
    assert bench.run() == "failed"
    assert bench.slides.get(ID).error_name == "AnalysisCrashedError"


def test_ended_slide_is_left_alone(bench: JobBench) -> None:
    bench.run()
    assert bench.run() == "done"


def test_progress_is_written_at_most_twice_a_second(bench: JobBench) -> None:
    bench.slides.start(ID, 1)
    write_progress = ProgressWriter(bench.slides, ID)
    for tiles_done in range(1, 100):
        write_progress(Progress(tiles_done, 100))
    assert bench.slides.get(ID).tiles_done == 1
    write_progress(Progress(100, 100))
    assert bench.slides.get(ID).tiles_done == 100
    bench.slides.cancel(ID)
    with pytest.raises(AnalysisCancelledError):
        write_progress(Progress(100, 100))
