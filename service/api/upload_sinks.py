"""Where the bytes of an upload go: through a form's parser or straight, hashed, into a file.

Owns the limits on the file and the multipart form; where the bytes come from is `upload.py`.
"""

import hashlib
import os
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from streaming_form_data import ParseFailedException, StreamingFormDataParser
from streaming_form_data.targets import BaseTarget

from service.errors import InvalidRequestError, NoSpaceError, SlideTooLargeError


@dataclass(frozen=True)
class UploadLimits:
    """What an upload may take.

    Attributes:
        max_bytes: of the file.
        min_free_bytes: left on the disk.
    """

    max_bytes: int
    min_free_bytes: int


class HashedFile:
    """Writes to a file, hashing and counting."""

    def __init__(self, file: BinaryIO, limits: UploadLimits) -> None:
        self._file = file
        self._limits = limits
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """Hex digest of what was written so far."""
        return self._hash.hexdigest()

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
        self._hash.update(data)
        self._file.write(data)

    def sync(self) -> None:
        """Makes sure that the slide survives a power cut once it is accepted."""
        self._file.flush()
        os.fsync(self._file.fileno())


class Sink(Protocol):
    """Takes a request's body."""

    def feed(self, data: bytes) -> None:
        """The next piece."""
        ...

    def finish(self) -> str | None:
        """The body has ended; the file name that it stated, if it did."""
        ...


class RawSink:
    """A body that is the slide itself."""

    def __init__(self, file: HashedFile) -> None:
        self._file = file

    def feed(self, data: bytes) -> None:
        """The next piece of the slide."""
        self._file.write(data)

    def finish(self) -> str | None:
        """A raw body states no name."""
        self._file.sync()
        return None


class FormSink:
    """A multipart form whose field `file` is the slide."""

    def __init__(self, file: HashedFile, content_type: str) -> None:
        self._file = file
        self._part = FilePart(file)
        try:
            self._parser = StreamingFormDataParser({"Content-Type": content_type})
        except ParseFailedException as error:
            raise malformed_form() from error
        self._parser.register("file", self._part)

    def feed(self, data: bytes) -> None:
        """The next piece of the form."""
        try:
            self._parser.data_received(data)
        except ParseFailedException as error:
            raise malformed_form() from error

    def finish(self) -> str | None:
        """The name in the part's header."""
        if self._part.starts == 0:
            raise InvalidRequestError(
                "the form has no field `file`; send the slide as -F file=@slide"
            )
        if self._part.ends < self._part.starts:
            raise malformed_form()
        self._file.sync()
        name: str | None = self._part.multipart_filename
        return name


class FilePart(BaseTarget):  # type: ignore[misc]  # the library has no types
    """Where the form's parser puts the field `file`."""

    def __init__(self, file: HashedFile) -> None:
        super().__init__()
        self._to = file
        self.starts = 0
        self.ends = 0

    def on_start(self) -> None:
        """The field begins; a second one is one too many."""
        self.starts += 1
        if self.starts > 1:
            raise InvalidRequestError("the form has two fields `file`; send one slide a request")

    def on_data_received(self, chunk: bytes) -> None:
        """A piece of the field."""
        self._to.write(chunk)

    def on_finish(self) -> None:
        """The field is complete."""
        self.ends += 1


def malformed_form() -> InvalidRequestError:
    """The error of a form that cannot be understood."""
    return InvalidRequestError(
        "the multipart form is malformed or cut off; send it as curl -F file=@slide.svs does"
    )


def too_large(max_bytes: int) -> SlideTooLargeError:
    """The error of an upload beyond `max_bytes`."""
    return SlideTooLargeError(
        f"the slide has more than {max_bytes} bytes, the most allowed; "
        f"raise CYTOLIBRA_MAX_UPLOAD_BYTES"
    )


def disk_full() -> NoSpaceError:
    """The error of an upload for which there is no room."""
    return NoSpaceError("the disk is full; free some space and send the slide again")
