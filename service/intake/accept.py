"""Accepts a received slide: it is refused, recognised, or queued.

Owns the order of the checks and the removal of refused files; receiving is `receive.py`.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from models.atomic_write import move_into_place
from service.errors import CytolibraError, NotASlideError
from service.intake.receive import ReceivedFile
from service.jobs.client import JobQueue
from service.pipeline.container import BY_SUFFIX
from service.pipeline.report.stored import is_current
from service.pipeline.types import DetectorInfo, SlideInfo
from service.storage.new_slide import NewSlide
from service.storage.results import ENDED, Slides
from service.storage.tables import Slide, Status


@dataclass(frozen=True)
class Intake:
    """Stores and limits for accepting slides.

    Attributes:
        folder: of the accepted files, on the same file system as those received.
        check: opens and closes a slide; an error refuses it.
        max_queue_length: number of queued slides, from which on new ones are refused.
    """

    slides: Slides
    jobs: JobQueue
    folder: Path
    check: Callable[[Path, float | None], SlideInfo]
    max_queue_length: int


@dataclass(frozen=True)
class SlideRequest:
    """Fields of a request that sends a slide; `fields.py` has the rules for their values."""

    detector: DetectorInfo
    mpp: float | None
    accession: str | None


@dataclass(frozen=True)
class Accepted:
    """A slide, and whether this request queued it."""

    slide: Slide
    is_queued_now: bool


def accept(intake: Intake, file: ReceivedFile, request: SlideRequest) -> Accepted:
    """The slide of the received file: known by its identity, or new, checked and queued.

    Raises:
        NotASlideError, SlideUnreadableError, MppMissingError: the file cannot be analysed.
        QueueFullError: the queue is full.
    """
    new = NewSlide(
        id=str(uuid4()),
        sha256=file.sha256,
        detector=request.detector.name,
        detector_digest=request.detector.digest,
        mpp=request.mpp,
        accession=request.accession,
        filename=file.filename,
        suffix=file.suffix,
        size_bytes=file.size_bytes,
    )
    known = intake.slides.find(new.identity)
    if known is None:
        intake.slides.check_queue(intake.max_queue_length)
        return _accept_new(intake, file, new)
    return _accept_known(intake, file, known)


def request_digest(file: ReceivedFile, request: SlideRequest) -> str:
    """Hex digest of what must be equal in two requests with the same Idempotency-Key."""
    parts = [
        file.sha256,
        file.filename,
        request.detector.name,
        request.mpp,
        request.accession,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _accept_new(intake: Intake, file: ReceivedFile, new: NewSlide) -> Accepted:
    """A new slide, queued.

    The file is moved first: a server that crashes here leaves a file without a slide, which the
    next start removes, but never a slide without a file.
    """
    _check_is_whole(new)
    stored = intake.folder / new.stored_name
    move_into_place(file.path, stored)
    is_new = False
    try:
        _check(intake, stored, file, new.mpp)
        slide, is_new = intake.slides.add(new)
    finally:
        if not is_new:
            stored.unlink(missing_ok=True)
    if is_new:
        intake.jobs.put(slide)
    return Accepted(slide, is_new)


def _check_is_whole(new: NewSlide) -> None:
    """Refuses formats whose file names others, before anything opens it and follows the names."""
    if new.suffix.lower() in BY_SUFFIX:
        raise NotASlideError(
            f"a {new.suffix.lower()} file names others that hold the slide's pixels, and one file "
            "was sent: send the slide as one file (e.g. converted to a pyramidal tiled TIFF), or "
            "analyse it where it lies with `cytolibra analyse`"
        )


def _accept_known(intake: Intake, file: ReceivedFile, known: Slide) -> Accepted:
    if not _is_to_be_repeated(known):
        return Accepted(known, False)
    intake.slides.check_queue(intake.max_queue_length)
    if not intake.slides.requeue(known):
        return Accepted(intake.slides.get(known.id), False)
    move_into_place(file.path, intake.folder / known.stored_name)
    slide = intake.slides.get(known.id)
    intake.jobs.put(slide)
    return Accepted(slide, True)


def _is_to_be_repeated(slide: Slide) -> bool:
    """Whether the analysis failed or was cancelled, or its report is of another version."""
    if slide.status == Status.DONE:
        return not is_current(slide.report or {})
    return slide.status in ENDED


def _check(intake: Intake, path: Path, file: ReceivedFile, mpp: float | None) -> None:
    """Checks that the slide can be opened; errors name the client's file, not the server's."""
    try:
        intake.check(path, mpp)
    except CytolibraError as error:
        shown_name = file.filename or "the upload"
        text = str(error).replace(str(path), shown_name).replace(path.name, shown_name)
        raise type(error)(text) from error
