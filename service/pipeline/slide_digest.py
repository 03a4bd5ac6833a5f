"""The digest that names a slide: SHA-256 of its file, or of its files where a format has several.

Owns which files those are. It depends on their content alone, not on their names or place.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom

from service.errors import SlideUnreadableError

CHUNK_BYTES = 1 << 20
#: Keys of a VMS or VMU index whose values are files, as OpenSlide's driver reads them.
VMS_FILE_KEYS = ("ImageFile", "MapFile", "MacroImage", "OptimisationFile")


def hash_slide(path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> str:
    """64 hex digits: the slide's identity, which an upload of the same file has, too.

    Of a slide in one file it is the plain SHA-256. Of one in several files it is the SHA-256 of
    their own digests (64 hex digits and a line feed each), in ascending order of the digests.

    Args:
        path: of the slide, as OpenSlide takes it.
        on_bytes: told how many bytes more were hashed.

    Raises:
        SlideUnreadableError: a file cannot be read.
    """
    digests = sorted(_hash_file(file, on_bytes) for file in list_slide_files(path))
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


def list_slide_files(path: Path) -> tuple[Path, ...]:
    """All files of a slide, sorted by name.

    MIRAX (.mrxs): with all that lies in the folder of the same name. Hamamatsu VMS and VMU: with
    the files beside it that it names. DICOM: all files beside it of the same series. Every other
    format that OpenSlide reads is one file.

    Raises:
        SlideUnreadableError: a file cannot be read, or lies where no file of a slide may.
    """
    try:
        return tuple(sorted({path, *_list_companions(path)}))
    except OSError as error:
        raise _unreadable(path, error) from error


def _list_companions(path: Path) -> Iterator[Path]:
    suffix = path.suffix.lower()
    if suffix == ".mrxs":
        yield from (file for file in path.with_suffix("").rglob("*") if file.is_file())
    elif suffix in (".vms", ".vmu"):
        yield from _list_named_files(path)
    elif (series := _read_series(path)) is not None:
        beside = (file for file in path.parent.iterdir() if file.is_file())
        yield from (file for file in beside if _read_series(file) == series)


def _list_named_files(path: Path) -> Iterator[Path]:
    """Files that a VMS or VMU index names in its `key=value` lines."""
    for line in path.read_bytes().decode("utf-8", "surrogateescape").splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if not key.startswith(VMS_FILE_KEYS) or not value:
            continue
        if Path(value).name != value:
            raise SlideUnreadableError(
                f"{path} names {key}={value!r} outside its folder; put the file beside it and "
                "name it without a folder"
            )
        if (path.parent / value).is_file():
            yield path.parent / value


def _read_series(path: Path) -> str | None:
    """The SeriesInstanceUID of a DICOM file; None of any other, or where it states none."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
    except OSError:
        raise
    # Of a damaged header pydicom raises whatever its parsing stumbles on.
    except Exception:
        return None
    return str(header.get("SeriesInstanceUID", "")) or None


def _hash_file(path: Path, on_bytes: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                on_bytes(len(chunk))
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def _unreadable(path: Path, error: OSError) -> SlideUnreadableError:
    return SlideUnreadableError(
        f"{error.filename or path} cannot be read: {error.strerror or error}; check the file and "
        "its permissions"
    )
