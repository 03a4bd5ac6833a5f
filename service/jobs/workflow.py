"""The durable job of a slide: analyses it by groups of tiles and stores the results.

Owns the handling of slides that fail, are cancelled, or crash the worker; the analysis itself is
`service.pipeline.analyse_slide`. Every step is idempotent.
"""

import errno
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
from service.pipeline.types import Analysis, CellClass, CellSource, GroupResult, Options, Progress
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

#: Runs a function as the durable step of that name and returns its result; a step that finished
#: before is not run again, its stored result is returned.
RunStep = Callable[[str, Callable[[], str]], str]

log: structlog.stdlib.BoundLogger = structlog.get_logger("service.jobs")


@dataclass(frozen=True)
class SlideJob:
    """Dependencies of the job.

    Attributes:
        run_step: makes a step durable.
        slides, blobs: stores of the results.
        slides_dir: folder of the slides' files.
        detectors: cached between slides.
        settings: of the analysis.
        on_start, on_end: called with a slide's id, so that a shutdown knows the slides it
            interrupts.
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
        """Analyses a slide until it is done, failed or cancelled; errors are stored, not raised."""
        slide = retry_until_stored(lambda: self.slides.start(slide_id, run))
        if slide is not None:
            self.on_start(slide_id)
            try:
                self._analyse_and_store(slide)
            finally:
                self.on_end(slide_id)
        self.blobs.delete_all(keys.groups_prefix(slide_id, run))

    def _analyse_and_store(self, slide: Slide) -> None:
        logger = log.bind(slide=slide.id, run=slide.run)
        try:
            if slide.cancel_requested:
                raise AnalysisCancelledError(f"slide {slide.id} was cancelled")
            self._check_stalled(slide)
            logger.info("slide started", starts=slide.stalled_starts)
            analysis = self._analyse(slide)
            self._store(slide, analysis)
            logger.info("slide done", cells=analysis.report.num_cells)
        except AnalysisCancelledError:
            retry_until_stored(lambda: self.slides.stop(slide.id))
            logger.info("slide cancelled")
        except Exception as error:
            shown = _as_cytolibra_error(error)
            if isinstance(shown, InternalError):
                logger.exception("slide failed unexpectedly")
            else:
                logger.warning("slide failed", error=type(shown).__name__)
            name, text = type(shown).__name__, _without_path(str(shown), self._path(slide))
            retry_until_stored(lambda: self.slides.fail(slide.id, name, text))

    def _check_stalled(self, slide: Slide) -> None:
        max_starts = self.settings.max_stalled_starts
        if slide.stalled_starts > max_starts:
            raise AnalysisCrashedError(
                f"the worker died {max_starts} times on this slide without progress; its analysis "
                f"is given up: check the file, or report it with the server's log"
            )

    def _analyse(self, slide: Slide) -> Analysis:
        detector = self.detectors.get(slide.detector, slide.detector_digest)
        options = Options(
            mpp=slide.mpp,
            batch_size=self.settings.batch_size,
            group_size=self.settings.group_size,
            num_readers=self.settings.num_readers,
            max_unreadable_fraction=self.settings.max_unreadable_fraction,
        )

        run_group = partial(self._run_group, slide, detector.info.classes)
        on_progress = ProgressWriter(self.slides, slide.id)
        return analyse_slide(
            self._path(slide), detector, options, run_group, on_progress, slide.sha256
        )

    def _run_group(
        self,
        slide: Slide,
        classes: Sequence[CellClass],
        index: int,
        digest: str,
        detect: Callable[[], GroupResult],
    ) -> GroupResult:
        """The group of that index and digest: stored by an earlier run, or detected and stored."""
        key = keys.group_key(slide.id, slide.run, index)

        def detect_and_store() -> str:
            self.blobs.put(key, encode_group(detect(), classes, digest))
            self.slides.note_group_done(slide.id)
            return key

        self.run_step(f"group-{index}", detect_and_store)
        group = decode_group(self.blobs.get(key), classes, digest)
        if group is None:
            # Stored before the worker was restarted with other settings or another version. Not
            # run as a step, since recorded steps are replayed by their order; the blob suffices.
            log.info("group detected again", slide=slide.id, group=index)
            detect_and_store()
            group = decode_group(self.blobs.get(key), classes, digest)
        if group is None:
            raise InternalError(
                f"group {index} of slide {slide.id} is not read as it was stored; send it again"
            )
        return group

    def _store(self, slide: Slide, analysis: Analysis) -> None:
        """Stores detections and thumbnail before the status, so that every done slide has them."""
        source = CellSource(slide.sha256, slide.detector_digest, analysis.slide.mpp)
        facts = DetectionFacts(analysis.classes, analysis.slide, source)
        encoded = encode_detections(analysis.detections, facts)
        self.blobs.put(keys.detections_key(slide.id), encoded)
        thumbnail = draw_thumbnail(self._path(slide), slide.mpp)
        self.blobs.put(keys.thumbnail_key(slide.id), thumbnail)
        report = report_to_json(analysis.report)
        if not retry_until_stored(
            lambda: self.slides.finish(slide.id, report, analysis.report.num_cells)
        ):
            raise AnalysisCancelledError(f"slide {slide.id} was cancelled")

    def _path(self, slide: Slide) -> Path:
        return self.slides_dir / slide.stored_name


class ProgressWriter:
    """Stores the progress of an analysis at most twice a second, and stops a cancelled one."""

    def __init__(self, slides: Slides, slide_id: str) -> None:
        self._slides = slides
        self._slide_id = slide_id
        self._next_s = 0.0

    def __call__(self, progress: Progress) -> None:
        """Stores the progress, unless it was stored within the last `PROGRESS_INTERVAL_S`.

        Raises:
            AnalysisCancelledError: the slide was cancelled.
        """
        now_s = time.monotonic()
        if now_s < self._next_s and progress.tiles_done < progress.tiles_total:
            return
        self._next_s = now_s + PROGRESS_INTERVAL_S
        try:
            is_running = self._slides.note_progress(
                self._slide_id, progress.tiles_done, progress.tiles_total
            )
        except SQLAlchemyError as error:
            reason = str(error.__cause__ or error)
            log.warning("progress not written", slide=self._slide_id, reason=reason)
            return
        if not is_running:
            raise AnalysisCancelledError(f"slide {self._slide_id} was cancelled")


def retry_until_stored(change: Callable[[], T]) -> T:
    """The result of `change`, which is retried until the database accepts it.

    A worker that gave up storing the end of a slide would leave it running for ever.
    """
    while True:
        try:
            return change()
        except SQLAlchemyError as error:
            reason = str(error.__cause__ or error)
            log.warning("results database refuses a change; retrying", reason=reason)
            time.sleep(RETRY_DELAY_S)


def _as_cytolibra_error(error: Exception) -> CytolibraError:
    """The error to store and show to the user."""
    if isinstance(error, CytolibraError):
        return error
    # The object store and SQLite report a full disk by errors of their own, with the system's text.
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if is_full or "No space left" in str(error) or "disk is full" in str(error):
        return NoSpaceError("the disk is full; free some space and upload the slide again")
    return InternalError("the analysis failed unexpectedly; the server's log says why")


def _without_path(text: str, path: Path) -> str:
    """The text without the path of the slide, which clients must not see."""
    return text.replace(str(path), "the slide").replace(path.name, "the slide")
