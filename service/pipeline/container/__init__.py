"""Tells, from a file's bytes, whether it can be a slide, is all there, and is the whole slide.

OpenSlide gives one and the same error for a PDF, a truncated slide and one compressed by WebP; a
laboratory needs to know which it sent. Reading pixels is left to `service/pipeline/slide.py`.
"""

from dataclasses import dataclass
from pathlib import Path

from service.errors import EmptyUploadError, NotASlideError, SlideUnreadableError
from service.pipeline.container.dicom import check_dicom
from service.pipeline.container.tiff import check_tiff

__all__ = ["BY_SUFFIX", "Container", "check_container"]

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Containers of OpenSlide's formats that are no TIFF: Zeiss's own, and Sakura's SQLite.
OTHER_MAGIC = (b"ZISRAWFILE", b"SQLite format 3\0")
#: DICOM's lies behind a preamble.
DICOM_MAGIC, DICOM_AT = b"DICM", 128
#: Formats that the first bytes do not give away, known to OpenSlide by name.
BY_SUFFIX = frozenset({".mrxs", ".vmu", ".vms"})


@dataclass(frozen=True)
class Container:
    """What the bytes of a file say before OpenSlide reads it.

    Attributes:
        size_bytes: of the file; None where the slide's pixels lie in other files.
        focal_plane: which plane of a focus stack OpenSlide reads, None where there is one plane.
    """

    size_bytes: int | None
    focal_plane: str | None = None


def check_container(path: Path) -> Container:
    """What the file holds, where it is a slide container that OpenSlide reads as a whole.

    Raises:
        EmptyUploadError: the file holds no bytes.
        NotASlideError: it is of no known container, or encoded as OpenSlide does not read it.
        SlideUnreadableError: it cannot be read, or is truncated.
        FocusStackError: it holds focal planes, of which OpenSlide would read the wrong one.
        PartOfSlideError: it holds a part or a smaller copy of the slide.
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
        return Container(size, check_tiff(path, size))
    if head[DICOM_AT:] == DICOM_MAGIC:
        check_dicom(path)
        return Container(size)
    if path.suffix.lower() in BY_SUFFIX:
        return Container(None)
    if not head.startswith(OTHER_MAGIC):
        raise NotASlideError(
            f"the file is not a slide: it begins with {head[:8]!r}, which is no container that "
            "OpenSlide reads (TIFF-based such as .svs, DICOM, MIRAX, ...)"
        )
    return Container(size)
