"""Checks the directories of a TIFF: whole, in an encoding that OpenSlide reads, one focal plane.

Owns the walk over the pages; what OpenSlide reads is `encoding.py`, focal planes are `focus.py`.
"""

import contextlib
import logging
import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import tifffile

from service.errors import CytolibraError, NotASlideError, SlideUnreadableError
from service.pipeline.container.encoding import JPEG_TILES, find_obstacle, level_pages
from service.pipeline.container.focus import check_focus


def check_tiff(path: Path, size_bytes: int) -> str | None:
    """Which focal plane OpenSlide reads; None where there is but one.

    Args:
        path: of a TIFF, classic or BigTIFF.
        size_bytes: of that file.

    Raises:
        NotASlideError: it is encoded as OpenSlide does not read it.
        SlideUnreadableError: it is damaged or truncated.
        FocusStackError, PartOfSlideError: see `focus.py`.
    """
    complaints = _Complaints()
    try:
        with complaints.heard(), tifffile.TiffFile(path) as tiff:
            pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]
            if complaints.lost_directory:
                raise SlideUnreadableError(
                    f"the slide is truncated: a directory of its TIFF lies beyond its {size_bytes} "
                    "bytes: upload it again"
                )
            _check_data(pages, size_bytes)
            _check_encoding(tiff, pages)
            return check_focus(tiff, pages)
    except CytolibraError:
        raise
    # A damaged directory makes tifffile raise whatever its parsing stumbles on.
    except Exception as error:
        raise SlideUnreadableError(
            f"the slide's TIFF directories are damaged or cut off ({error}): upload it again"
        ) from error


def _check_data(pages: Sequence[tifffile.TiffPage], size_bytes: int) -> None:
    if not pages:
        raise SlideUnreadableError(
            "the slide's TIFF holds no image: it is damaged or cut off, upload it again"
        )
    end = max(_end_of_data(page) for page in pages)
    if end > size_bytes:
        raise SlideUnreadableError(
            f"the slide is truncated: it has {size_bytes} bytes, but its tiles reach to byte "
            f"{end}: upload it again"
        )
    for page in pages:
        num_tiles = math.prod(page.chunked)
        # libtiff goes on with the tiles that it finds, and shows them in other places.
        if page.is_tiled and len(page.dataoffsets) != num_tiles:
            raise SlideUnreadableError(
                f"page {page.index + 1} of the slide's TIFF lists {len(page.dataoffsets)} tiles, "
                f"but its {page.imagewidth}x{page.imagelength} px need {num_tiles}: it is "
                "damaged, upload it again"
            )


def _check_encoding(tiff: tifffile.TiffFile, pages: Sequence[tifffile.TiffPage]) -> None:
    for page in level_pages(tiff, pages):
        obstacle = find_obstacle(tiff, page)
        if obstacle is not None:
            raise NotASlideError(f"the file is a whole TIFF, but {obstacle}: {JPEG_TILES}")


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


def _end_of_data(page: tifffile.TiffPage) -> int:
    ends = (
        offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    )
    return max(ends, default=0)
