"""The durable job of one slide: analyse it, group by group, and keep what was found.

Owns what happens to a slide that fails, is cancelled, or kills the worker; the analysis itself is
`service.pipeline.analyse_slide`. Every step may run twice without harm.
"""

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.errors import (
    AnalysisCancelledError,
    AnalysisCrashedError,
    CytolibraError,
    InternalError,
    NoSpaceError,
)
from service.jobs.loaded_detectors import LoadedDetectors
from service.pipeline import analyse_slide
from service.pipeline.report.build import report_to_json
from service.pipeline.thumbnail import draw_thumbnail
from service.pipeline.types import Analysis, CellSource, GroupResult, Options, Progress
from service.settings import Settings
from service.storage import blobs as keys
from service.storage.blobs import Blobs
from service.storage.detections import (
    DetectionFacts,
    decode_group,
    encode_detections,
    encode_group,
)
from service.storage.results import Slides
from service.storage.tables import Slide

PROGRESS_INTERVAL_S = 0.5
RETRY_DELAY_S = 3.0

T = TypeVar("T")

#: Runs a function that gives a string as the durable step of that name, or gives back what it gave.
RunStep = Callable[[str, Callable[[], str]], str]

log: structlog.stdlib.BoundLogger = structlog.get_logger("service.jobs")


@dataclass(frozen=True)
class SlideJob:
    """All that the job of a slide works with.

    Attributes:
        run_step: makes a step durable.
        slides, blobs: where results go.
        slides_dir: where the slides lie.
        detectors: kept between slides.
        settings: how to analyse.
        on_start, on_end: told a slide's id, so that a shutdown knows what it interrupts.
    """

    run_step: RunStep
    slides: Slides
    blobs: Blobs
    slides_dir: Path
    detectors: LoadedDetectors
    settings: Settings
    on_start: Callable[[str], None]
    on_end: Callable[[str], None]

    def run(self, slide_id: str, run: int) -> None:
        """Brings a slide to its end: done, failed or cancelled. Raises nothing that is foreseen."""
        slide = insist(lambda: self.slides.start(slide_id, run))
        if slide is not None:
            self.on_start(slide_id)
            try:
                self._work_on(slide)
            finally:
                self.on_end(slide_id)
        self.blobs.delete_all(keys.groups_prefix(slide_id, run))

    def _work_on(self, slide: Slide) -> None:
        logger = log.bind(slide=slide.id, run=slide.run)
        try:
            if slide.cancel_requested:
                raise AnalysisCancelledError(f"slide {slide.id} was cancelled")
            self._check_stalled(slide)
            logger.info("slide started", starts=slide.stalled_starts)
            analysis = self._analyse(slide)
            self._keep(slide, analysis)
            logger.info("slide done", cells=analysis.report.num_cells)
        except AnalysisCancelledError:
            insist(lambda: self.slides.stop(slide.id))
            logger.info("slide cancelled")
        except Exception as error:
            reason = _reason(error)
            if isinstance(reason, InternalError):
                logger.exception("slide failed unexpectedly")
            else:
                logger.warning("slide failed", error=type(reason).__name__)
            name, text = type(reason).__name__, _without_path(str(reason), self._path(slide))
            insist(lambda: self.slides.fail(slide.id, name, text))

    def _check_stalled(self, slide: Slide) -> None:
        most = self.settings.max_stalled_starts
        if slide.stalled_starts > most:
            raise AnalysisCrashedError(
                f"the worker died {most} times on this slide without getting further; it is given "
                f"up: check the file, or report it with the server's log"
            )

    def _analyse(self, slide: Slide) -> Analysis:
        detector = self.detectors.get(slide.detector, slide.detector_digest)
        classes = detector.info.classes
        options = Options(
            mpp=slide.mpp,
            batch_size=self.settings.batch_size,
            group_size=self.settings.group_size,
            num_readers=self.settings.num_readers,
            max_unreadable_fraction=self.settings.max_unreadable_fraction,
        )

        def run_group(index: int, find: Callable[[], GroupResult]) -> GroupResult:
            key = keys.group_key(slide.id, slide.run, index)

            def find_and_keep() -> str:
                self.blobs.put(key, encode_group(find(), classes))
                self.slides.note_group_done(slide.id)
                return key

            kept = self.blobs.get(self.run_step(f"group-{index}", find_and_keep))
            return decode_group(kept, classes)

        tell = ProgressNote(self.slides, slide.id)
        return analyse_slide(self._path(slide), detector, options, run_group, tell, slide.sha256)

    def _keep(self, slide: Slide, analysis: Analysis) -> None:
        """Detections and thumbnail first: a slide that is done has them."""
        source = CellSource(slide.sha256, slide.detector_digest, analysis.slide.mpp)
        facts = DetectionFacts(analysis.classes, analysis.slide, source)
        encoded = encode_detections(analysis.detections, facts)
        self.blobs.put(keys.detections_key(slide.id), encoded)
        thumbnail = draw_thumbnail(self._path(slide), slide.mpp)
        self.blobs.put(keys.thumbnail_key(slide.id), thumbnail)
        report = report_to_json(analysis.report)
        if not insist(lambda: self.slides.finish(slide.id, report, analysis.report.num_cells)):
            raise AnalysisCancelledError(f"slide {slide.id} was cancelled")

    def _path(self, slide: Slide) -> Path:
        return self.slides_dir / slide.stored_name


class ProgressNote:
    """Writes an analysis's progress down twice a second, and learns whether to stop."""

    def __init__(self, slides: Slides, slide_id: str) -> None:
        self._slides = slides
        self._slide_id = slide_id
        self._next_s = 0.0

    def __call__(self, progress: Progress) -> None:
        """Notes the progress, unless it just did.

        Raises:
            AnalysisCancelledError: the slide was cancelled.
        """
        now_s = time.monotonic()
        if now_s < self._next_s and progress.tiles_done < progress.tiles_total:
            return
        self._next_s = now_s + PROGRESS_INTERVAL_S
        try:
            goes_on = self._slides.note_progress(
                self._slide_id, progress.tiles_done, progress.tiles_total
            )
        except SQLAlchemyError as error:
            reason = str(error.__cause__ or error)
            log.warning("progress not written", slide=self._slide_id, reason=reason)
            return
        if not goes_on:
            raise AnalysisCancelledError(f"slide {self._slide_id} was cancelled")


def insist(change: Callable[[], T]) -> T:
    """What `change` gives, once the database takes it.

    A worker that cannot write the end of a slide has nothing better to do than to try again: giving
    up would leave the slide running for ever.
    """
    while True:
        try:
            return change()
        except SQLAlchemyError as error:
            reason = str(error.__cause__ or error)
            log.warning("results database does not take a change; trying again", reason=reason)
            time.sleep(RETRY_DELAY_S)


def _reason(error: Exception) -> CytolibraError:
    """The error to show the user."""
    if isinstance(error, CytolibraError):
        return error
    # The object store and SQLite have errors of their own for this, in the system's words.
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if is_full or "No space left" in str(error) or "disk is full" in str(error):
        return NoSpaceError("the disk is full; free some space and upload the slide again")
    return InternalError("the analysis failed unexpectedly; the server's log says why")


def _without_path(text: str, path: Path) -> str:
    """Where the server keeps its files is nobody's business outside."""
    return text.replace(str(path), "the slide").replace(path.name, "the slide")
