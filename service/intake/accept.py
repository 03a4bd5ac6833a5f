"""What becomes of a slide that has arrived: refused, recognised, or queued.

Owns the order of the checks and that a refused slide leaves nothing; receiving is `receive.py`.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from service.errors import CytolibraError
from service.intake.receive import ReceivedFile
from service.jobs.client import JobQueue
from service.pipeline.types import DetectorInfo, SlideInfo
from service.storage.new_slide import NewSlide
from service.storage.results import ENDED, Slides
from service.storage.tables import Slide


@dataclass(frozen=True)
class Intake:
    """What slides are accepted into.

    Attributes:
        folder: of the accepted files, on the same file system as those received.
        check: opens a slide and closes it again; its errors refuse the slide.
        max_queue_length: slides waiting; beyond that none is accepted.
    """

    slides: Slides
    jobs: JobQueue
    folder: Path
    check: Callable[[Path, float | None], SlideInfo]
    max_queue_length: int


@dataclass(frozen=True)
class SlideRequest:
    """What is asked for, besides sending a slide; `fields.py` has the rules for the values."""

    detector: DetectorInfo
    mpp: float | None
    accession: str | None


@dataclass(frozen=True)
class Accepted:
    """A slide, and whether this request queued it."""

    slide: Slide
    is_queued_now: bool


def accept(intake: Intake, file: ReceivedFile, request: SlideRequest) -> Accepted:
    """The slide of this file: a known one of the same identity, or a new one, checked and queued.

    Raises:
        NotASlideError, SlideUnreadableError, MppMissingError: it cannot be analysed.
        QueueFullError: too many wait already.
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
        return _take_new(intake, file, new)
    return _take_known(intake, file, known)


def request_digest(file: ReceivedFile, request: SlideRequest) -> str:
    """Digest of all that makes two requests the same to an Idempotency-Key."""
    parts = [
        file.sha256,
        file.filename,
        request.detector.name,
        request.mpp,
        request.accession,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _take_new(intake: Intake, file: ReceivedFile, new: NewSlide) -> Accepted:
    """The file goes to its place first: a server that dies here leaves a file that the next start
    removes, but no slide without a file."""
    stored = intake.folder / new.stored_name
    _move(file.path, stored)
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


def _take_known(intake: Intake, file: ReceivedFile, known: Slide) -> Accepted:
    if known.status not in ENDED:
        return Accepted(known, False)
    intake.slides.check_queue(intake.max_queue_length)
    if not intake.slides.requeue(known.id):
        return Accepted(intake.slides.get(known.id), False)
    _move(file.path, intake.folder / known.stored_name)
    slide = intake.slides.get(known.id)
    intake.jobs.put(slide)
    return Accepted(slide, True)


def _move(path: Path, target: Path) -> None:
    """Moves a synced file so that its new name survives a power cut too."""
    os.replace(path, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check(intake: Intake, path: Path, file: ReceivedFile, mpp: float | None) -> None:
    """Passes if the slide can be opened; messages name the client's file, not the server's."""
    try:
        intake.check(path, mpp)
    except CytolibraError as error:
        text = str(error).replace(str(path), file.filename or "the upload")
        raise type(error)(text.replace(path.name, file.filename or "the upload")) from error
