"""Receives a slide over HTTP: streams the body to a file and hashes it.

Owns temporary files and interrupted uploads; checking the slide is left to `service/intake`. The
slide is never held in memory, and writing never blocks other requests.
"""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service.api.digests import StatedDigests
from service.api.problems import mark_body_read
from service.api.teardown import run_to_the_end
from service.api.upload_sinks import FORM_ALLOWANCE_BYTES, FormSink, RawSink, Sink, is_form
from service.errors import EmptyUploadError, InvalidRequestError, UploadInterruptedError
from service.intake.fields import StatedFields
from service.intake.receive import (
    HashedFile,
    Hashes,
    ReceivedFile,
    ReceiveLimits,
    check_room,
    clean_name,
    disk_full,
)

#: Bytes per write. The socket gives pieces of about 64 kB; switching threads for each would cost
#: more than writing it.
WRITE_SIZE = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT)


@asynccontextmanager
async def receiving(
    request: Request,
    folder: Path,
    limits: ReceiveLimits,
    fields: StatedFields,
    digests: StatedDigests,
) -> AsyncIterator[ReceivedFile]:
    """The request's file, from a raw body or form field `file`; removed from `folder` at the end.

    Args:
        fields: the form's other fields are added to it.
        digests: of body and file, from the headers.

    Raises:
        DigestMismatchError: the digest of body or file differs from the stated digest.
        EmptyUploadError: the file is empty.
        FieldConflictError: a field differs between form and query.
        InvalidRequestError: the form is malformed or has no field `file`.
        NoSpaceError: the disk is full, or would be.
        SlideTooLargeError: the file is larger than allowed.
        UploadInterruptedError: the client disconnected.
    """
    _check_headers(request)
    await run_in_threadpool(_check_announced_size, request, folder, limits)
    path = folder / f"{uuid4()}.part"
    try:
        file = await run_in_threadpool(path.open, "xb")
        try:
            received = await _receive(request, path, file, limits, fields, digests)
        finally:
            await run_to_the_end(file.close)
        yield received
    except OSError as error:
        if error.errno in FULL:
            raise disk_full() from error
        raise
    finally:
        await run_to_the_end(path.unlink, missing_ok=True)


async def _receive(
    request: Request,
    path: Path,
    file: BinaryIO,
    limits: ReceiveLimits,
    fields: StatedFields,
    digests: StatedDigests,
) -> ReceivedFile:
    stated_digests, content_type = (
        digests.representation.digests,
        request.headers.get("content-type", ""),
    )
    if is_form(content_type):
        written = HashedFile(file, limits, stated_digests)
        sink: Sink = FormSink(written, content_type, fields)
        body_hashes = Hashes(digests.content.digests)
        await _pump(request, sink, body_hashes)
    else:
        # The body is the file, so it is hashed once for both digests.
        written = HashedFile(file, limits, {*stated_digests, *digests.content.digests})
        sink, body_hashes = RawSink(written), written.hashes
        await _pump(request, sink, Hashes(()))
    name_in_header = await run_in_threadpool(sink.finish)
    digests.content.check(body_hashes)
    digests.representation.check(written.hashes)
    if written.size_bytes == 0:
        raise EmptyUploadError("the upload holds no bytes; send the slide as field `file` or body")
    filename = clean_name(fields.gather().filename or name_in_header)
    return ReceivedFile(path, written.sha256, written.size_bytes, filename)


def _check_headers(request: Request) -> None:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise InvalidRequestError(
            f"Content-Encoding {coding[:60]!r} is not taken; send the slide as it is"
        )


def _check_announced_size(request: Request, folder: Path, limits: ReceiveLimits) -> None:
    """Refuses a file that is too large by its Content-Length."""
    announced = int(request.headers.get("content-length", "0"))
    check_room(max(0, announced - FORM_ALLOWANCE_BYTES), folder, limits)


async def _pump(request: Request, sink: Sink, hashes: Hashes) -> None:
    """Feeds the body to sink and hashes, in pieces of at least `WRITE_SIZE` except the last."""

    def feed(data: bytes) -> None:
        hashes.update(data)
        sink.feed(data)

    pending = bytearray()
    try:
        async for piece in request.stream():
            pending += piece
            if len(pending) >= WRITE_SIZE:
                await run_in_threadpool(feed, bytes(pending))
                pending.clear()
    except ClientDisconnect as error:
        mark_body_read(request)
        raise UploadInterruptedError(
            "the connection ended before the upload was complete; send the slide again"
        ) from error
    mark_body_read(request)
    if pending:
        await run_in_threadpool(feed, bytes(pending))
