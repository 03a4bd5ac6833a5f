"""Detections and thumbnails by key, in an object store.

Owns the keys and where the store is (a local folder); the content of a blob is left to
`detections.py`.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import obstore
from obstore.store import LocalStore, ObjectStore

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SLIDES_PREFIX = "slides"


class Blobs:
    """Blobs by key; each write is atomic."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, key: str, data: bytes) -> None:
        """Stores `data` under `key`, replacing the previous blob."""
        obstore.put(self._store, key, data)

    def get(self, key: str) -> bytes:
        """The bytes under `key`.

        Raises:
            FileNotFoundError: no blob has this key.
        """
        return bytes(obstore.get(self._store, key).bytes())

    def open(self, key: str) -> BinaryIO:
        """A seekable reader of the blob under `key`, which fetches only the ranges that are read.

        Raises:
            FileNotFoundError: no blob has this key.
        """
        return io.BufferedReader(BlobReader(obstore.open_reader(self._store, key)))

    def folders(self, prefix: str) -> set[str]:
        """Names of the folders directly in the folder `prefix`."""
        paths = obstore.list_with_delimiter(self._store, prefix)["common_prefixes"]
        return {path.rsplit("/", 1)[-1] for path in paths}

    def delete_all(self, prefix: str) -> None:
        """Deletes all blobs in the folder `prefix`, which may be empty."""
        paths = [entry["path"] for batch in obstore.list(self._store, prefix) for entry in batch]
        if paths:
            obstore.delete(self._store, paths)


class BlobReader(io.RawIOBase):
    """A blob as a raw Python file, which Arrow and `with` need."""

    def __init__(self, reader: "obstore.ReadableFile") -> None:
        self._reader = reader

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Number of bytes read into `buffer`; 0 at the end."""
        view = memoryview(buffer).cast("B")
        data = self._reader.read(len(view))
        view[: len(data)] = memoryview(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new position, in bytes from the start."""
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        """The current position, in bytes from the start."""
        return self._reader.tell()


def open_local_blobs(folder: Path) -> Blobs:
    """Blobs in a local folder."""
    return Blobs(LocalStore(folder, automatic_cleanup=True))


def slide_prefix(slide_id: str) -> str:
    """Folder of all blobs of a slide."""
    return f"{SLIDES_PREFIX}/{slide_id}"


def groups_prefix(slide_id: str, run: int | None = None) -> str:
    """Folder of a slide's groups of tiles: of all its runs, or of a single run."""
    folder = f"{slide_prefix(slide_id)}/groups"
    return folder if run is None else f"{folder}/{run}"


def group_key(slide_id: str, run: int, index: int) -> str:
    """Key of the detections of one group of tiles."""
    return f"{groups_prefix(slide_id, run)}/{index:06d}.arrow"


def detections_key(slide_id: str) -> str:
    """Key of a slide's merged detections."""
    return f"{slide_prefix(slide_id)}/detections.parquet"


def thumbnail_key(slide_id: str) -> str:
    """Key of a slide's thumbnail."""
    return f"{slide_prefix(slide_id)}/thumbnail.jpg"
