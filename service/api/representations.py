"""Entity tags, conditional requests and byte ranges of results (RFC 9110).

Owns these; the content of a result is left to the routes.
"""

import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from werkzeug.http import parse_etags, parse_range_header

from service.errors import NoSpaceError

PIECE_SIZE = 1 << 16
#: Results are of a patient, so only the client itself may store them; and slides may be deleted, so
#: the client must revalidate.
CACHE_CONTROL = "private, no-cache"


def entity_tag(*identity: Any) -> str:
    """A strong entity tag, without quotes, made from the values that determine a result's bytes.

    The product's version is included, since another version may write the result differently.
    """
    text = json.dumps([version("cytolibra"), *identity], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def validators(tag: str) -> dict[str, str]:
    """The headers of a result with this entity tag."""
    return {"ETag": f'"{tag}"', "Cache-Control": CACHE_CONTROL}


def check_conditions(request: Request, headers: dict[str, str], tag: str) -> Response | None:
    """The response 304 if the client has the current result, else None.

    Raises:
        HTTPException: 412, If-Match does not name the current result.
    """
    if (expected := _joined(request, "if-match")) and not parse_etags(expected).contains(tag):
        raise HTTPException(412, f"the result is now {tag}; leave If-Match out to get it")
    if (known := _joined(request, "if-none-match")) and parse_etags(known).contains_weak(tag):
        return Response(status_code=304, headers=headers)
    return None


def is_range_requested(request: Request, tag: str) -> bool:
    """Whether the request is for a single byte range of the current result (If-Range)."""
    condition = request.headers.get("if-range", f'"{tag}"').strip()
    parsed = parse_range_header(request.headers.get("range"))
    # A server may ignore a request for several ranges (RFC 9110 14.2).
    is_single_range = parsed is not None and parsed.units == "bytes" and len(parsed.ranges) == 1
    return is_single_range and condition == f'"{tag}"'


def send_bytes(
    request: Request, data: bytes, headers: dict[str, str], tag: str, media_type: str
) -> Response:
    """The response with a result in memory, or with the requested range of it."""
    if is_range_requested(request, tag):
        return send_range(request, io.BytesIO(data), headers, media_type)
    return Response(data, headers={**headers, "Accept-Ranges": "bytes"}, media_type=media_type)


def send_range(
    request: Request, file: BinaryIO, headers: dict[str, str], media_type: str
) -> Response:
    """The response with the requested range of a file, which is closed after sending.

    Raises:
        HTTPException: 416, the range begins after the end of the file.
    """
    length = file.seek(0, io.SEEK_END)
    try:
        start, end = _find_range(request, length)
    except HTTPException:
        file.close()
        raise
    ranged = {
        **headers,
        "Accept-Ranges": "bytes",
        "Content-Range": f"bytes {start}-{end - 1}/{length}",
        "Content-Length": str(end - start),
    }
    return StreamingResponse(_read(file, start, end), 206, ranged, media_type)


def spool(pieces: Iterable[bytes], folder: Path, min_free_bytes: int) -> BinaryIO:
    """An unnamed temporary file with the pieces; deleted when closed or when the process ends.

    Raises:
        NoSpaceError: less than `min_free_bytes` would be left on the disk.
    """
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed when it has been sent
    try:
        for piece in pieces:
            if shutil.disk_usage(folder).free < min_free_bytes + len(piece):
                raise NoSpaceError(
                    "the disk has no room to cut a range out of the annotations; free some space, "
                    "or ask for them without Range"
                )
            file.write(piece)
    except BaseException:
        file.close()
        raise
    return file


def _joined(request: Request, name: str) -> str:
    return ", ".join(request.headers.getlist(name))


def _find_range(request: Request, length: int) -> tuple[int, int]:
    """(start, end) of the requested range in bytes; `end` is exclusive."""
    parsed = parse_range_header(request.headers.get("range"))
    start, end = parsed.ranges[0] if parsed is not None else (0, None)
    if start < 0:
        start = max(0, length + start)
    if start >= length:
        raise HTTPException(
            416,
            f"Range: {request.headers['range']} begins behind the result's {length} bytes",
            {"Content-Range": f"bytes */{length}"},
        )
    return start, min(length, end or length)


def _read(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while start < end and (piece := file.read(min(PIECE_SIZE, end - start))):
            start += len(piece)
            yield piece
