"""Detections and thumbnails by key, in an object store.

Owns the keys and their place (a local folder); what the bytes mean is left to `detections.py`.
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
    """Named bytes, each written whole or not at all."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, key: str, data: bytes) -> None:
        """Keeps `data` under `key`, in place of what was there."""
        obstore.put(self._store, key, data)

    def get(self, key: str) -> bytes:
        """The bytes under `key`.

        Raises:
            FileNotFoundError: there are none.
        """
        return bytes(obstore.get(self._store, key).bytes())

    def open(self, key: str) -> BinaryIO:
        """A seekable reader of the bytes under `key`, which reads only what it is asked for.

        Raises:
            FileNotFoundError: there are none.
        """
        return io.BufferedReader(BlobReader(obstore.open_reader(self._store, key)))

    def folders(self, prefix: str) -> set[str]:
        """Names of the folders within the folder `prefix`."""
        found = obstore.list_with_delimiter(self._store, prefix)["common_prefixes"]
        return {path.rsplit("/", 1)[-1] for path in found}

    def delete_all(self, prefix: str) -> None:
        """Removes everything whose key begins with the folder `prefix`; nothing there is fine."""
        paths = [entry["path"] for batch in obstore.list(self._store, prefix) for entry in batch]
        if paths:
            obstore.delete(self._store, paths)


class BlobReader(io.RawIOBase):
    """A blob as Python's own kind of file, which Arrow and `with` ask for."""

    def __init__(self, reader: "obstore.ReadableFile") -> None:
        self._reader = reader

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fills the buffer as far as there is something; how far."""
        view = memoryview(buffer).cast("B")
        data = self._reader.read(len(view))
        view[: len(data)] = memoryview(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a place; which."""
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._reader.tell()


def open_local_blobs(folder: Path) -> Blobs:
    """Blobs in a local folder."""
    return Blobs(LocalStore(folder, automatic_cleanup=True))


def slide_prefix(slide_id: str) -> str:
    """Folder of everything that belongs to one slide."""
    return f"{SLIDES_PREFIX}/{slide_id}"


def groups_prefix(slide_id: str, run: int | None = None) -> str:
    """Folder of the intermediate results of a slide, or of one run of it."""
    folder = f"{slide_prefix(slide_id)}/groups"
    return folder if run is None else f"{folder}/{run}"


def group_key(slide_id: str, run: int, index: int) -> str:
    """Key of what one group of tiles gave."""
    return f"{groups_prefix(slide_id, run)}/{index:06d}.arrow"


def detections_key(slide_id: str) -> str:
    """Key of a slide's merged detections."""
    return f"{slide_prefix(slide_id)}/detections.parquet"


def thumbnail_key(slide_id: str) -> str:
    """Key of a slide's thumbnail."""
    return f"{slide_prefix(slide_id)}/thumbnail.jpg"
