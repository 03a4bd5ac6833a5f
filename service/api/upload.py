"""Receives a slide: from the socket to a file, piece by piece, hashed on the way.

Owns temporary files and interrupted uploads; whether it is a slide is left to others. The slide is
never held in memory, and the disk never makes other requests wait.
"""

import errno
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service.api.problems import mark_body_read
from service.api.upload_sinks import (
    FormSink,
    HashedFile,
    RawSink,
    Sink,
    UploadLimits,
    disk_full,
    too_large,
)
from service.errors import (
    EmptyUploadError,
    NoSpaceError,
    UploadInterruptedError,
)

#: The socket gives pieces of about 64 kB; a change of thread for each would cost more than writing.
WRITE_SIZE = 1 << 20
#: What a form adds to the file: boundaries and part headers.
FORM_ALLOWANCE = 1 << 16
FULL = (errno.ENOSPC, errno.EDQUOT)
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")


@dataclass(frozen=True)
class Upload:
    """A file that has arrived.

    Attributes:
        path: temporary; gone when the context ends, unless it was moved.
        filename: as the client named it, without folders and control characters, or None.
    """

    path: Path
    sha256: str
    size_bytes: int
    filename: str | None

    @property
    def suffix(self) -> str:
        """Of the file name, lower case, "" if it is none that a slide could have."""
        suffix = Path(self.filename or "").suffix
        return suffix.lower() if SUFFIX.fullmatch(suffix) else ""


@asynccontextmanager
async def receiving(
    request: Request, folder: Path, limits: UploadLimits, filename: str | None
) -> AsyncIterator[Upload]:
    """The request's file, raw body or multipart field `file`; leaves nothing in `folder`.

    Raises:
        EmptyUploadError: it holds no bytes.
        InvalidRequestError: the form is malformed or has no field `file`.
        NoSpaceError: the disk is full, or would be.
        SlideTooLargeError: it is larger than allowed.
        UploadInterruptedError: the client went away.
    """
    check_announced_size(request, folder, limits)
    path = folder / f"{uuid4()}.part"
    try:
        with path.open("xb") as file:
            written = HashedFile(file, limits)
            sink = _sink(request, written)
            await _pump(request, sink)
            name = await run_in_threadpool(sink.finish)
        if written.size_bytes == 0:
            raise EmptyUploadError(
                "the upload holds no bytes; send the slide as field `file` or body"
            )
        yield Upload(path, written.sha256, written.size_bytes, clean_name(name or filename))
    except OSError as error:
        if error.errno in FULL:
            raise disk_full() from error
        raise
    finally:
        path.unlink(missing_ok=True)


def check_announced_size(request: Request, folder: Path, limits: UploadLimits) -> None:
    """Passes unless Content-Length says already that the file cannot be taken.

    Raises:
        SlideTooLargeError: it is larger than allowed.
        NoSpaceError: it would not fit on the disk.
    """
    announced = int(request.headers.get("content-length", "0"))
    if announced > limits.max_bytes + FORM_ALLOWANCE:
        raise too_large(limits.max_bytes)
    free = shutil.disk_usage(folder).free - limits.min_free_bytes
    if announced > free:
        raise NoSpaceError(
            f"the upload has {announced} bytes and the disk has room for {max(0, free)}; "
            f"free some space and try again"
        )


def clean_name(name: str | None) -> str | None:
    """A file name without folders and control characters, at most 255 long, or None."""
    if name is None:
        return None
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter for letter in last if letter.isprintable())[-255:] or None


def _sink(request: Request, file: HashedFile) -> Sink:
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        return FormSink(file, content_type)
    return RawSink(file)


async def _pump(request: Request, sink: Sink) -> None:
    """Moves the body into the sink, in pieces large enough to be worth a thread."""
    pending = bytearray()
    try:
        async for piece in request.stream():
            pending += piece
            if len(pending) >= WRITE_SIZE:
                await run_in_threadpool(sink.feed, bytes(pending))
                pending.clear()
    except ClientDisconnect as error:
        mark_body_read(request)
        raise UploadInterruptedError(
            "the connection ended before the upload was complete; send the slide again"
        ) from error
    mark_body_read(request)
    if pending:
        await run_in_threadpool(sink.feed, bytes(pending))
