"""Takes a slide in: bytes into a file, hashed and counted on the way, within limits.

Owns the file and what is known of it; where the bytes come from is left to the ways in.
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
    """What a slide may take.

    Attributes:
        max_bytes: of the file.
        min_free_bytes: left on the disk.
    """

    max_bytes: int
    min_free_bytes: int


@dataclass(frozen=True)
class ReceivedFile:
    """A file that has arrived, synced to the disk.

    Attributes:
        path: temporary; whoever accepts the slide moves it.
        sha256: hex digest.
        filename: as the client named it, without folders and control characters, or None.
    """

    path: Path
    sha256: str
    size_bytes: int
    filename: str | None

    @property
    def suffix(self) -> str:
        """Of the file name, lower case, "" if it is none that a slide could have."""
        # A name may begin with its suffix, where the letters before it were lost.
        suffix = Path(f"x{self.filename or ''}").suffix
        return suffix.lower() if SUFFIX.fullmatch(suffix) else ""


class Hashes:
    """Digests by several algorithms of the same bytes.

    Args:
        algorithms: as `hashlib` names them.
    """

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashes = {name: hashlib.new(name) for name in algorithms}

    def update(self, data: bytes) -> None:
        """The next bytes."""
        for each in self._hashes.values():
            each.update(data)

    def digest(self, algorithm: str) -> bytes:
        """Of the bytes so far."""
        return self._hashes[algorithm].digest()


class HashedFile:
    """Writes to a file, hashing and counting.

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
        """Hex digest of what was written so far."""
        return self.hashes.digest(IDENTITY_ALGORITHM).hex()

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
        self.hashes.update(data)
        self._file.write(data)

    def sync(self) -> None:
        """Makes sure that the slide survives a power cut once it is accepted."""
        self._file.flush()
        os.fsync(self._file.fileno())


def check_room(announced_bytes: int, folder: Path, limits: ReceiveLimits) -> None:
    """Passes if a file of that size may come.

    Args:
        announced_bytes: by whoever sends it.

    Raises:
        SlideTooLargeError: it is larger than allowed.
        NoSpaceError: it would not fit on the disk.
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
    """The error of a slide beyond `max_bytes`."""
    return SlideTooLargeError(
        f"the slide has more than {max_bytes} bytes, the most allowed; "
        f"raise CYTOLIBRA_MAX_UPLOAD_BYTES"
    )


def disk_full() -> NoSpaceError:
    """The error of a slide for which there is no room."""
    return NoSpaceError("the disk is full; free some space and send the slide again")
