"""A received slide is hashed, counted, named, and held to the limits."""

import hashlib
from pathlib import Path

import pytest

from service.errors import NoSpaceError, SlideTooLargeError
from service.intake.receive import (
    HashedFile,
    Hashes,
    ReceivedFile,
    ReceiveLimits,
    check_room,
    clean_name,
)

LIMITS = ReceiveLimits(max_bytes=5_000_000, min_free_bytes=0)


def test_file_is_hashed_by_every_requested_algorithm(tmp_path: Path) -> None:
    with (tmp_path / "slide").open("xb") as file:
        written = HashedFile(file, LIMITS, ["sha512"])
        for piece in (b"II*\x00", b"", b"x" * 1000):
            written.write(piece)
        written.sync()
    data = (tmp_path / "slide").read_bytes()
    assert data == b"II*\x00" + b"x" * 1000
    assert written.size_bytes == len(data)
    assert written.sha256 == hashlib.sha256(data).hexdigest()
    assert written.hashes.digest("sha512") == hashlib.sha512(data).digest()


def test_no_algorithm_gives_no_digest() -> None:
    hashes = Hashes(())
    hashes.update(b"data")
    with pytest.raises(KeyError):
        hashes.digest("sha256")


def test_disk_that_fills_up_is_noticed() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="space"):
        HashedFile(full, LIMITS).write(b"x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("announced", "limits", "error"),
    [
        (5_000_001, LIMITS, SlideTooLargeError),
        (1 << 60, ReceiveLimits(1 << 61, 0), NoSpaceError),
        (1, ReceiveLimits(100, 1 << 60), NoSpaceError),
    ],
)
def test_announced_size_is_refused(
    tmp_path: Path, announced: int, limits: ReceiveLimits, error: type[Exception]
) -> None:
    with pytest.raises(error):
        check_room(announced, tmp_path, limits)
    check_room(5_000_000, tmp_path, LIMITS)


@pytest.mark.parametrize(
    ("stated_name", "cleaned_name"),
    [
        (None, None),
        ("", None),
        ("../../etc/passwd", "passwd"),
        ("C:\\slides\\a.svs", "a.svs"),
        ("a\r\nb\x00.svs", "ab.svs"),
        ("a\ud800.svs", "a.svs"),
        ("x" * 300 + ".svs", "x" * 251 + ".svs"),
    ],
)
def test_file_name_has_no_folders_and_control_characters(
    stated_name: str | None, cleaned_name: str | None
) -> None:
    assert clean_name(stated_name) == cleaned_name


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.SVS", ".svs"),
        ("a", ""),
        (None, ""),
        ("a.s v", ""),
        ("a." + "x" * 20, ""),
        (".svs", ".svs"),
    ],
)
def test_suffix_is_short_and_alphanumeric(name: str | None, suffix: str) -> None:
    assert ReceivedFile(Path("p"), "", 1, name).suffix == suffix
