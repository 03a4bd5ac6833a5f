"""What becomes of a slide that has arrived: refused, recognised, or queued.

Owns the order of the checks and that a refused upload leaves nothing; receiving is `upload.py`.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from service.api.dependencies import Context
from service.api.upload import Upload
from service.errors import CytolibraError
from service.pipeline.types import DetectorInfo
from service.storage.new_slide import NewSlide
from service.storage.results import ENDED
from service.storage.tables import Slide


@dataclass(frozen=True)
class SlideRequest:
    """What a request asks for, besides sending a slide."""

    detector: DetectorInfo
    mpp: float | None
    accession: str | None


@dataclass(frozen=True)
class Accepted:
    """A slide, and whether this request queued it."""

    slide: Slide
    is_queued_now: bool


def accept(context: Context, upload: Upload, wanted: SlideRequest) -> Accepted:
    """The slide of this upload: a known one of the same identity, or a new one, checked and queued.

    Raises:
        NotASlideError, SlideUnreadableError, MppMissingError: it cannot be analysed.
        QueueFullError: too many wait already.
    """
    new = NewSlide(
        id=str(uuid4()),
        sha256=upload.sha256,
        detector=wanted.detector.name,
        detector_digest=wanted.detector.digest,
        mpp=wanted.mpp,
        accession=wanted.accession,
        filename=upload.filename,
        suffix=upload.suffix,
        size_bytes=upload.size_bytes,
    )
    known = context.slides.find(new.identity)
    if known is None:
        context.slides.check_queue(context.settings.max_queue_length)
        return _take_new(context, upload, new)
    return _take_known(context, upload, known)


def request_digest(upload: Upload, wanted: SlideRequest) -> str:
    """Digest of all that makes two requests the same to an Idempotency-Key."""
    parts = [
        upload.sha256,
        upload.filename,
        wanted.detector.name,
        wanted.mpp,
        wanted.accession,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _take_new(context: Context, upload: Upload, new: NewSlide) -> Accepted:
    """The file goes to its place first: a server that dies here leaves a file that the next start
    removes, but no slide without a file."""
    stored = context.data_dir.slides / new.stored_name
    os.replace(upload.path, stored)
    is_new = False
    try:
        _check(context, stored, upload, new.mpp)
        slide, is_new = context.slides.add(new)
    finally:
        if not is_new:
            stored.unlink(missing_ok=True)
    if is_new:
        context.jobs.put(slide)
    return Accepted(slide, is_new)


def _take_known(context: Context, upload: Upload, known: Slide) -> Accepted:
    if known.status not in ENDED:
        return Accepted(known, False)
    context.slides.check_queue(context.settings.max_queue_length)
    if not context.slides.requeue(known.id):
        return Accepted(context.slides.get(known.id), False)
    os.replace(upload.path, context.data_dir.slides / known.stored_name)
    slide = context.slides.get(known.id)
    context.jobs.put(slide)
    return Accepted(slide, True)


def _check(context: Context, path: Path, upload: Upload, mpp: float | None) -> None:
    """Passes if the slide can be opened; messages name the client's file, not the server's."""
    try:
        context.check(path, mpp)
    except CytolibraError as error:
        text = str(error).replace(str(path), upload.filename or "the upload")
        raise type(error)(text.replace(path.name, upload.filename or "the upload")) from error
