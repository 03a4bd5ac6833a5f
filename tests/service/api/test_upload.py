"""Uploads end in a file with its digest, or in nothing at all."""

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from starlette.requests import Request
from starlette.types import Message

from service.api.digests import StatedDigests, read_digest
from service.api.upload import receiving
from service.errors import (
    CytolibraError,
    DigestMismatchError,
    InvalidRequestError,
    NoSpaceError,
    SlideTooLargeError,
    UploadInterruptedError,
)
from service.intake.fields import StatedFields
from service.intake.receive import ReceivedFile, ReceiveLimits

LIMITS = ReceiveLimits(max_bytes=5_000_000, min_free_bytes=0)
HANG_UP: Message = {"type": "http.disconnect"}


def request_of(messages: Sequence[Message], **headers: str) -> Request:
    pending = list(messages)

    async def receive() -> Message:
        return pending.pop(0)

    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": encoded}, receive)


def body(*pieces: bytes) -> list[Message]:
    more: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
    ]
    return [*more, {"type": "http.request", "body": b"", "more_body": False}]


def receive(
    request: Request, folder: Path, limits: ReceiveLimits = LIMITS, filename: str | None = None
) -> tuple[ReceivedFile, bytes]:
    fields = StatedFields()
    if filename is not None:
        fields.add("filename", filename, "the query")
    digests = StatedDigests(
        *(
            read_digest(field, request.headers.getlist(field))
            for field in ("Content-Digest", "Repr-Digest")
        )
    )

    async def run() -> tuple[ReceivedFile, bytes]:
        async with receiving(request, folder, limits, fields, digests) as file:
            return file, file.path.read_bytes()

    return asyncio.run(run())


def test_raw_body_is_written_and_hashed(tmp_path: Path) -> None:
    pieces = [bytes([value]) * 700_000 for value in range(5)]
    upload, written = receive(request_of(body(*pieces)), tmp_path, filename="a/b.SVS")
    assert written == b"".join(pieces)
    assert upload.sha256 == hashlib.sha256(written).hexdigest()
    assert (upload.size_bytes, upload.filename, upload.suffix) == (3_500_000, "b.SVS", ".svs")
    assert list(tmp_path.iterdir()) == []


def test_form_is_the_same_in_whatever_pieces_it_comes(tmp_path: Path) -> None:
    data = b"II*\x00--x\r\n--y\r\n" + bytes(range(256))
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="s.svs"\r\n\r\n'
    form += data + b"\r\n--x--\r\n"
    for size in (1, 7, len(form)):
        pieces = [form[start : start + size] for start in range(0, len(form), size)]
        request = request_of(body(*pieces), content_type="multipart/form-data; boundary=x")
        upload, written = receive(request, tmp_path)
        assert (written, upload.filename) == (data, "s.svs")


def test_stated_name_goes_before_the_one_in_the_part(tmp_path: Path) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="tmp1"\r\n\r\n1'
    form += b'\r\n--x\r\nContent-Disposition: form-data; name="filename"\r\n\r\na.svs\r\n--x--'
    request = request_of(body(form), content_type="multipart/form-data; boundary=x")
    assert receive(request, tmp_path)[0].filename == "a.svs"


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f":{base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}:"


SLIDE = b"II*\x00" + bytes(100_000)
FORM = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + SLIDE + b"\r\n--x--\r\n"


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [("application/octet-stream", SLIDE), ("multipart/form-data; boundary=x", FORM)],
)
@pytest.mark.parametrize(("name", "algorithm"), [("sha-256", "sha256"), ("sha-512", "sha512")])
def test_digests_of_body_and_slide_are_checked(
    tmp_path: Path, content_type: str, sent: bytes, name: str, algorithm: str
) -> None:
    right = {
        "content_digest": f"{name}={digest_of(sent, algorithm)}",
        "repr_digest": f"{name}={digest_of(SLIDE, algorithm)}",
    }
    request = request_of(body(sent), content_type=content_type, **right)
    assert receive(request, tmp_path)[1] == SLIDE
    for field in right:
        wrong = right | {field: f"{name}={digest_of(b'other', algorithm)}"}
        request = request_of(body(sent), content_type=content_type, **wrong)
        with pytest.raises(DigestMismatchError, match=name):
            receive(request, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_coded_body_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="'gzip'"):
        receive(request_of([], content_encoding="gzip"), tmp_path)


@pytest.mark.parametrize(
    ("messages", "limits", "error"),
    [
        ([*body(b"x")[:1], HANG_UP], LIMITS, UploadInterruptedError),
        (body(b"x" * 101), ReceiveLimits(100, 0), SlideTooLargeError),
        (body(b"x"), ReceiveLimits(100, 1 << 60), NoSpaceError),
    ],
)
def test_failed_upload_leaves_nothing(
    tmp_path: Path, messages: list[Message], limits: ReceiveLimits, error: type[CytolibraError]
) -> None:
    with pytest.raises(error):
        receive(request_of(messages), tmp_path, limits)
    assert list(tmp_path.iterdir()) == []


def test_upload_that_would_not_fit_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(NoSpaceError, match="room for"):
        receive(request_of([], content_length=str(1 << 60)), tmp_path, ReceiveLimits(1 << 61, 0))


def test_upload_that_is_torn_down_leaves_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        arrived = asyncio.Event()

        async def receive_message() -> Message:
            if arrived.is_set():
                await asyncio.sleep(3600)
            arrived.set()
            return {"type": "http.request", "body": b"x" * (2 << 20), "more_body": True}

        async def upload() -> None:
            request = Request({"type": "http", "method": "POST", "headers": []}, receive_message)
            nothing = read_digest("Repr-Digest", [])
            async with receiving(
                request, tmp_path, LIMITS, StatedFields(), StatedDigests(nothing, nothing)
            ):
                raise AssertionError("it cannot be complete")

        async with anyio.create_task_group() as group:
            group.start_soon(upload)
            await arrived.wait()
            await asyncio.sleep(0.05)
            assert len(list(tmp_path.iterdir())) == 1
            group.cancel_scope.cancel()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []
