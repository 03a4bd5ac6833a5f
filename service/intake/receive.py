"""Receives a slide: writes its bytes to a file, and hashes and counts them, within limits.

Owns the received file; the source of the bytes is left to the caller.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from service.errors import NoSpaceError, SlideTooLargeError

IDENTITY_ALGORITHM = "sha256"
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")
LONGEST_NAME = 255


@dataclass(frozen=True)
class ReceiveLimits:
    """Limits on a received slide.

    Attributes:
        max_bytes: of the file.
        min_free_bytes: left on the disk.
    """

    max_bytes: int
    min_free_bytes: int


@dataclass(frozen=True)
class ReceivedFile:
    """A completely received file, synced to the disk.

    Attributes:
        path: temporary; accepting the slide moves the file.
        sha256: hex digest.
        filename: stated by the client, without folders and control characters, or None.
    """

    path: Path
    sha256: str
    size_bytes: int
    filename: str | None

    @property
    def suffix(self) -> str:
        """Suffix of the file name, lower case; "" unless 1 to 10 letters or digits."""
        # A name may consist of its suffix, where unprintable letters before it were dropped.
        suffix = Path(f"x{self.filename or ''}").suffix
        return suffix.lower() if SUFFIX.fullmatch(suffix) else ""


class Hashes:
    """Digests of the same bytes by several algorithms.

    Args:
        algorithms: as `hashlib` names them.
    """

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashes = {name: hashlib.new(name) for name in algorithms}

    def update(self, data: bytes) -> None:
        """Hashes the next bytes."""
        for algorithm_hash in self._hashes.values():
            algorithm_hash.update(data)

    def digest(self, algorithm: str) -> bytes:
        """The digest of all bytes so far."""
        return self._hashes[algorithm].digest()


class HashedFile:
    """Writes bytes to a file, and hashes and counts them.

    Args:
        more_algorithms: beside SHA-256, as `hashlib` names them.
    """

    def __init__(
        self, file: BinaryIO, limits: ReceiveLimits, more_algorithms: Iterable[str] = ()
    ) -> None:
        self._file = file
        self._limits = limits
        self.hashes = Hashes({IDENTITY_ALGORITHM, *more_algorithms})
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """Hex digest of all bytes so far."""
        return self.hashes.digest(IDENTITY_ALGORITHM).hex()

    def write(self, data: bytes) -> None:
        """Appends `data`.

        Raises:
            SlideTooLargeError: the file would exceed `max_bytes`.
            NoSpaceError: less than `min_free_bytes` would be left on the disk.
        """
        self.size_bytes += len(data)
        if self.size_bytes > self._limits.max_bytes:
            raise too_large(self._limits.max_bytes)
        disk = os.statvfs(self._file.fileno())
        if disk.f_bavail * disk.f_frsize < self._limits.min_free_bytes + len(data):
            raise disk_full()
        self.hashes.update(data)
        self._file.write(data)

    def sync(self) -> None:
        """Flushes the file to the disk, so that an accepted slide survives a power cut."""
        self._file.flush()
        os.fsync(self._file.fileno())


def check_room(announced_bytes: int, folder: Path, limits: ReceiveLimits) -> None:
    """Checks that a file of the announced size can be received.

    Args:
        announced_bytes: size that the client announces.
        folder: on the disk that is checked.
        limits: of size and free space.

    Raises:
        SlideTooLargeError: the file is larger than allowed.
        NoSpaceError: the file does not fit on the disk.
    """
    if announced_bytes > limits.max_bytes:
        raise too_large(limits.max_bytes)
    free = shutil.disk_usage(folder).free - limits.min_free_bytes
    if announced_bytes > free:
        raise NoSpaceError(
            f"the upload has {announced_bytes} bytes and the disk has room for {max(0, free)}; "
            f"free some space and try again"
        )


def clean_name(name: str | None) -> str | None:
    """A file name without folders and control characters, at most 255 long, or None."""
    if name is None:
        return None
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter for letter in last if letter.isprintable())[-LONGEST_NAME:] or None


def too_large(max_bytes: int) -> SlideTooLargeError:
    """The error for a slide larger than `max_bytes`."""
    return SlideTooLargeError(
        f"the slide has more than {max_bytes} bytes, the most allowed; "
        f"raise CYTOLIBRA_MAX_UPLOAD_BYTES"
    )


def disk_full() -> NoSpaceError:
    """The error for a slide that does not fit on the disk."""
    return NoSpaceError("the disk is full; free some space and send the slide again")
