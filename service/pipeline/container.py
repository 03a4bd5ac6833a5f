"""Tells, from a file's bytes, whether it can be a slide at all, and whether it is all there.

OpenSlide gives one and the same error for a PDF and a truncated slide; a laboratory needs to know
which it sent.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import tifffile

from service.errors import EmptyUploadError, NotASlideError, SlideUnreadableError

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Containers of OpenSlide's formats that are no TIFF: Zeiss's own, and Sakura's SQLite.
OTHER_MAGIC = (b"ZISRAWFILE", b"SQLite format 3\0")
#: DICOM's lies behind a preamble.
DICOM_MAGIC, DICOM_AT = b"DICM", 128
#: Formats that the first bytes do not give away, known to OpenSlide by name.
BY_SUFFIX = frozenset({".mrxs", ".vmu", ".vms"})


def check_container(path: Path) -> None:
    """Refuses a file that is no slide container, or a TIFF that ends before its tiles do.

    Raises:
        EmptyUploadError: the file holds no bytes.
        NotASlideError: it is of no known container.
        SlideUnreadableError: it cannot be read, or is truncated.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(DICOM_AT + len(DICOM_MAGIC))
    except OSError as error:
        raise SlideUnreadableError(f"{path} cannot be read: {error.strerror}") from error
    if size == 0:
        raise EmptyUploadError("the file is empty: send the slide's bytes")
    if head.startswith(TIFF_MAGIC):
        _check_tiff(path, size)
    elif not (
        head.startswith(OTHER_MAGIC)
        or head[DICOM_AT:] == DICOM_MAGIC
        or path.suffix.lower() in BY_SUFFIX
    ):
        raise NotASlideError(
            f"the file is not a slide: it begins with {head[:8]!r}, which is no container that "
            "OpenSlide reads (TIFF-based such as .svs, DICOM, MIRAX, ...)"
        )


def _check_tiff(path: Path, size: int) -> None:
    complaints = _Complaints()
    try:
        with complaints.heard(), tifffile.TiffFile(path) as tiff:
            ends = [_end_of_data(page) for page in tiff.pages]
    # A damaged directory makes tifffile raise whatever its parsing stumbles on.
    except Exception as error:
        raise SlideUnreadableError(
            f"the slide's TIFF directories are damaged or cut off ({error}): upload it again"
        ) from error
    if complaints.lost_directory:
        raise SlideUnreadableError(
            f"the slide is truncated: a directory of its TIFF lies beyond its {size} bytes: "
            "upload it again"
        )
    if not ends:
        raise SlideUnreadableError(
            "the slide's TIFF holds no image: it is damaged or cut off, upload it again"
        )
    end = max(ends)
    if end > size:
        raise SlideUnreadableError(
            f"the slide is truncated: it has {size} bytes, but its tiles reach to byte {end}: "
            "upload it again"
        )


class _Complaints(logging.Handler):
    """Hears tifffile say that a directory lies beyond the file's end; it goes on without it."""

    def __init__(self) -> None:
        super().__init__()
        self.lost_directory = False
        # Other threads may be reading other files.
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and "invalid page offset" in record.getMessage():
            self.lost_directory = True

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """While in here, tifffile's log is listened to."""
        logger = tifffile.logger()
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)


def _end_of_data(page: tifffile.TiffPage | tifffile.TiffFrame) -> int:
    ends = (
        offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    )
    return max(ends, default=0)
