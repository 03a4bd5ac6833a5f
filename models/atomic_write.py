"""Files and folders written whole or not at all: the one place that moves results into place.

What is moved is synced before and its folder after, so that a power cut leaves the old content or
the new one. It stands at the top of `models` because every package here and `service` write files.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file to; it becomes `path` when the block ends.

    If the block raises, `path` stays as it was and nothing is left beside it.

    Raises:
        OSError: the file cannot be written, synced or moved.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        move_into_place(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Replaces a file by UTF-8 text.

    Raises:
        OSError: it cannot be written.
    """
    with write_atomically(path) as part:
        part.write_text(text, encoding="utf-8")


def move_into_place(part: Path, path: Path) -> None:
    """Moves a complete file or folder to `path`, synced; a file there is replaced.

    Args:
        part: on the same file system; a folder is synced with all that is in it.
        path: a file, or where no folder is yet.

    Raises:
        OSError: it cannot be synced or moved.
    """
    if part.is_dir():
        for inner in part.rglob("*"):
            _sync(inner)
    _sync(part)
    os.replace(part, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
