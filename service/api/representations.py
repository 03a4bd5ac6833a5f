"""Results as HTTP lets clients keep them: entity tags, conditions and byte ranges (RFC 9110).

Owns those; what a result holds is left to the routes.
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
#: Results name cells of a patient, so that only the client itself may keep them; and they may be
#: deleted, so that it has to ask whether they are still there.
CACHE_CONTROL = "private, no-cache"


def entity_tag(*identity: Any) -> str:
    """A strong entity tag, without quotes, of what determines a result's bytes.

    The product's version is part of it, since another one may write the same result otherwise.
    """
    text = json.dumps([version("cytolibra"), *identity], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def validators(tag: str) -> dict[str, str]:
    """The headers of a result with this entity tag."""
    return {"ETag": f'"{tag}"', "Cache-Control": CACHE_CONTROL}


def check_conditions(request: Request, headers: dict[str, str], tag: str) -> Response | None:
    """The answer 304 if the client has the result already, None if it is to be sent.

    Raises:
        HTTPException: 412, the request is for another state of the result (If-Match).
    """
    if (expected := _joined(request, "if-match")) and not parse_etags(expected).contains(tag):
        raise HTTPException(412, f"the result is now {tag}; leave If-Match out to get it")
    if (known := _joined(request, "if-none-match")) and parse_etags(known).contains_weak(tag):
        return Response(status_code=304, headers=headers)
    return None


def is_range_asked_for(request: Request, tag: str) -> bool:
    """Whether a part is asked for, of the result as it is now (If-Range)."""
    condition = request.headers.get("if-range", f'"{tag}"').strip()
    parsed = parse_range_header(request.headers.get("range"))
    # Several ranges in one request may be ignored (RFC 9110 14.2), and nobody here needs them.
    is_one_range = parsed is not None and parsed.units == "bytes" and len(parsed.ranges) == 1
    return is_one_range and condition == f'"{tag}"'


def send_bytes(
    request: Request, data: bytes, headers: dict[str, str], tag: str, media_type: str
) -> Response:
    """A result that is held in memory, or the part of it that is asked for."""
    if is_range_asked_for(request, tag):
        return send_range(request, io.BytesIO(data), headers, media_type)
    return Response(data, headers={**headers, "Accept-Ranges": "bytes"}, media_type=media_type)


def send_range(
    request: Request, file: BinaryIO, headers: dict[str, str], media_type: str
) -> Response:
    """The part of a file that the request asks for; closes the file when it is sent.

    Raises:
        HTTPException: 416, the file has no such bytes.
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
    """A file without a name that holds the pieces; gone when it is closed or the process ends.

    Raises:
        NoSpaceError: the disk has no room for it beside `min_free_bytes`.
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
    """First byte and the one after the last, of a request that asks for one range."""
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
