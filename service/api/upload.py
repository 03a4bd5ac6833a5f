"""Receives a slide: from the socket to a file, piece by piece, hashed on the way.

Owns temporary files, limits and the multipart form; whether it is a slide is left to others. The
slide is never held in memory, and the disk never makes other requests wait.
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from streaming_form_data import ParseFailedException, StreamingFormDataParser
from streaming_form_data.targets import BaseTarget

from service.api.problems import mark_body_read
from service.errors import (
    EmptyUploadError,
    InvalidRequestError,
    NoSpaceError,
    SlideTooLargeError,
    UploadInterruptedError,
)

#: The socket gives pieces of about 64 kB; a change of thread for each would cost more than writing.
WRITE_SIZE = 1 << 20
#: What a form adds to the file: boundaries and part headers.
FORM_ALLOWANCE = 1 << 16
FULL = (errno.ENOSPC, errno.EDQUOT)
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")


@dataclass(frozen=True)
class UploadLimits:
    """What an upload may take.

    Attributes:
        max_bytes: of the file.
        min_free_bytes: left on the disk.
    """

    max_bytes: int
    min_free_bytes: int


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


def too_large(max_bytes: int) -> SlideTooLargeError:
    """The error of an upload beyond `max_bytes`."""
    return SlideTooLargeError(
        f"the slide has more than {max_bytes} bytes, the most allowed; "
        f"raise CYTOLIBRA_MAX_UPLOAD_BYTES"
    )


def disk_full() -> NoSpaceError:
    """The error of an upload for which there is no room."""
    return NoSpaceError("the disk is full; free some space and send the slide again")


def clean_name(name: str | None) -> str | None:
    """A file name without folders and control characters, at most 255 long, or None."""
    if name is None:
        return None
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter for letter in last if letter.isprintable())[-255:] or None


class HashedFile:
    """Writes to a file, hashing and counting."""

    def __init__(self, file: BinaryIO, limits: UploadLimits) -> None:
        self._file = file
        self._limits = limits
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """Hex digest of what was written so far."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Appends.

        Raises:
            SlideTooLargeError: that would be more than allowed.
            NoSpaceError: the disk is as full as it may become.
        """
        self.size_bytes += len(data)
        if self.size_bytes > self._limits.max_bytes:
            raise too_large(self._limits.max_bytes)
        disk = os.statvfs(self._file.fileno())
        if disk.f_bavail * disk.f_frsize < self._limits.min_free_bytes + len(data):
            raise disk_full()
        self._hash.update(data)
        self._file.write(data)

    def sync(self) -> None:
        """Makes sure that the slide survives a power cut once it is accepted."""
        self._file.flush()
        os.fsync(self._file.fileno())


class Sink(Protocol):
    """Takes a request's body."""

    def feed(self, data: bytes) -> None:
        """The next piece."""
        ...

    def finish(self) -> str | None:
        """The body has ended; the file name that it stated, if it did."""
        ...


class RawSink:
    """A body that is the slide itself."""

    def __init__(self, file: HashedFile) -> None:
        self._file = file

    def feed(self, data: bytes) -> None:
        """The next piece of the slide."""
        self._file.write(data)

    def finish(self) -> str | None:
        """A raw body states no name."""
        self._file.sync()
        return None


class FormSink:
    """A multipart form whose field `file` is the slide."""

    def __init__(self, file: HashedFile, content_type: str) -> None:
        self._file = file
        self._part = FilePart(file)
        try:
            self._parser = StreamingFormDataParser({"Content-Type": content_type})
        except ParseFailedException as error:
            raise malformed_form() from error
        self._parser.register("file", self._part)

    def feed(self, data: bytes) -> None:
        """The next piece of the form."""
        try:
            self._parser.data_received(data)
        except ParseFailedException as error:
            raise malformed_form() from error

    def finish(self) -> str | None:
        """The name in the part's header."""
        if self._part.starts == 0:
            raise InvalidRequestError(
                "the form has no field `file`; send the slide as -F file=@slide"
            )
        if self._part.ends < self._part.starts:
            raise malformed_form()
        self._file.sync()
        name: str | None = self._part.multipart_filename
        return name


class FilePart(BaseTarget):  # type: ignore[misc]  # the library has no types
    """Where the form's parser puts the field `file`."""

    def __init__(self, file: HashedFile) -> None:
        super().__init__()
        self._to = file
        self.starts = 0
        self.ends = 0

    def on_start(self) -> None:
        """The field begins; a second one is one too many."""
        self.starts += 1
        if self.starts > 1:
            raise InvalidRequestError("the form has two fields `file`; send one slide a request")

    def on_data_received(self, chunk: bytes) -> None:
        """A piece of the field."""
        self._to.write(chunk)

    def on_finish(self) -> None:
        """The field is complete."""
        self.ends += 1


def malformed_form() -> InvalidRequestError:
    """The error of a form that cannot be understood."""
    return InvalidRequestError(
        "the multipart form is malformed or cut off; send it as curl -F file=@slide.svs does"
    )


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
