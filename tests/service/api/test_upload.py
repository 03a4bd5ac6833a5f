"""Uploads end in a file with its digest, or in nothing at all."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.types import Message

from service.api.upload import Upload, clean_name, receiving
from service.api.upload_sinks import HashedFile, UploadLimits
from service.errors import CytolibraError, NoSpaceError, SlideTooLargeError, UploadInterruptedError

LIMITS = UploadLimits(max_bytes=5_000_000, min_free_bytes=0)
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
    request: Request, folder: Path, limits: UploadLimits = LIMITS, filename: str | None = None
) -> tuple[Upload, bytes]:
    async def run() -> tuple[Upload, bytes]:
        async with receiving(request, folder, limits, filename) as upload:
            return upload, upload.path.read_bytes()

    return asyncio.run(run())


def test_raw_body_is_written_and_hashed(tmp_path: Path) -> None:
    pieces = [bytes([value]) * 700_000 for value in range(5)]
    upload, written = receive(request_of(body(*pieces)), tmp_path, filename="a/b.SVS")
    assert written == b"".join(pieces)
    assert upload.sha256 == hashlib.sha256(written).hexdigest()
    assert (upload.size_bytes, upload.filename, upload.suffix) == (3_500_000, "b.SVS", ".svs")
    assert list(tmp_path.iterdir()) == []


def test_form_is_the_same_in_whatever_pieces_it_comes(tmp_path: Path) -> None:
    data = b"II*\x00--x\r\n--xy\r\n" + bytes(range(256))
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="s.svs"\r\n\r\n'
    form += data + b"\r\n--x--\r\n"
    for size in (1, 7, len(form)):
        pieces = [form[start : start + size] for start in range(0, len(form), size)]
        request = request_of(body(*pieces), content_type="multipart/form-data; boundary=x")
        upload, written = receive(request, tmp_path)
        assert (written, upload.filename) == (data, "s.svs")


@pytest.mark.parametrize(
    ("messages", "limits", "error"),
    [
        ([*body(b"x")[:1], HANG_UP], LIMITS, UploadInterruptedError),
        (body(b"x" * 101), UploadLimits(100, 0), SlideTooLargeError),
        (body(b"x"), UploadLimits(100, 1 << 60), NoSpaceError),
    ],
)
def test_failed_upload_leaves_nothing(
    tmp_path: Path, messages: list[Message], limits: UploadLimits, error: type[CytolibraError]
) -> None:
    with pytest.raises(error):
        receive(request_of(messages), tmp_path, limits)
    assert list(tmp_path.iterdir()) == []


def test_upload_that_would_not_fit_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(NoSpaceError, match="room for"):
        receive(request_of([], content_length=str(1 << 60)), tmp_path, UploadLimits(1 << 61, 0))


def test_disk_that_fills_up_is_noticed() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="space"):
        HashedFile(full, LIMITS).write(b"x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        ("", None),
        ("../../etc/passwd", "passwd"),
        ("C:\\slides\\a.svs", "a.svs"),
        ("a\r\nb\x00.svs", "ab.svs"),
        ("x" * 300 + ".svs", "x" * 251 + ".svs"),
    ],
)
def test_file_name_is_only_a_name(given: str | None, kept: str | None) -> None:
    assert clean_name(given) == kept


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.svs", ".svs"), ("a", ""), (None, ""), ("a.s v", ""), ("a." + "x" * 20, "")],
)
def test_suffix_is_one_that_a_slide_could_have(name: str | None, suffix: str) -> None:
    assert Upload(Path("p"), "", 1, name).suffix == suffix
