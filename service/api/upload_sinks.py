"""Sinks for the body of an upload: directly into the slide's file, or through a form parser.

Owns parsing and limits of multipart forms; `upload.py` reads the body.
"""

from typing import Protocol

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from service.api.form_part import check_encoding, field_text, file_name
from service.errors import InvalidRequestError
from service.intake.fields import FIELD_NAMES, StatedFields, check_field_name
from service.intake.receive import HashedFile

FILE_FIELD = "file"
FORM_FIELDS = (FILE_FIELD, *FIELD_NAMES)
PLACE = "the form"
#: Limit on a form without the file: boundaries, part headers, fields, preamble and epilogue.
FORM_ALLOWANCE_BYTES = 1 << 16
MAX_PART_HEADER_BYTES = 4096
MAX_PART_HEADERS = 8
#: The longest value, a file name of 1,000 letters, in UTF-8.
MAX_FIELD_BYTES = 4000
#: RFC 2046 allows 70.
MAX_BOUNDARY_BYTES = 200


class Sink(Protocol):
    """Consumes the body of a request."""

    def feed(self, data: bytes) -> None:
        """Consumes the next piece."""
        ...

    def finish(self) -> str | None:
        """Ends the body; returns the file name in its part headers, or None."""
        ...


class RawSink:
    """A body that is the slide itself."""

    def __init__(self, file: HashedFile) -> None:
        self._file = file

    def feed(self, data: bytes) -> None:
        """Appends the next piece of the slide."""
        self._file.write(data)

    def finish(self) -> str | None:
        """Syncs the file; returns None, since a raw body has no part headers."""
        self._file.sync()
        return None


class FormSink:
    """A multipart form whose field `file` is the slide; its other fields describe the slide.

    Args:
        fields: form fields are added as they arrive, so that a wrong field before the file is
            refused before the file is received.

    Raises:
        InvalidRequestError: the content type names no boundary.
    """

    def __init__(self, file: HashedFile, content_type: str, fields: StatedFields) -> None:
        self._file = file
        self._fields = fields
        self._part: MultipartSegment | None = None
        self._text = bytearray()
        self._file_part: MultipartSegment | None = None
        self._num_bytes = 0
        # Latin-1 decodes every byte, so that no header is lost or fails to decode.
        self._parser = PushMultipartParser(
            _boundary(content_type),
            max_header_size=MAX_PART_HEADER_BYTES,
            max_header_count=MAX_PART_HEADERS,
            header_charset="latin-1",
        )

    def feed(self, data: bytes) -> None:
        """Parses the next piece of the form.

        Raises:
            InvalidRequestError: the form is malformed, or a field is unknown or invalid.
            FieldConflictError: a field differs between form and query.
            UnknownDetectorError: the field `detector` names none.
        """
        if not data:
            return  # the parser takes empty data for the end
        self._num_bytes += len(data)
        try:
            for event in self._parser.parse(data):
                self._take(event)
        except ParserLimitReached as error:
            raise InvalidRequestError(
                f"a part of the form has a header of more than {MAX_PART_HEADER_BYTES} bytes or "
                f"more than {MAX_PART_HEADERS} headers; give the file a shorter name"
            ) from error
        except MultipartError as error:
            raise malformed_form(str(error)) from error
        if self._num_bytes - self._file.size_bytes > FORM_ALLOWANCE_BYTES:
            raise InvalidRequestError(
                f"the form holds more than {FORM_ALLOWANCE_BYTES} bytes beside the field `file`; "
                f"send nothing else with it"
            )

    def finish(self) -> str | None:
        """Syncs the file; returns the file name in the header of the part `file`, or None.

        Raises:
            InvalidRequestError: the form is truncated or has no part `file`.
        """
        try:
            self._parser.close()
        except MultipartError as error:
            raise malformed_form("it is cut off") from error
        if self._file_part is None:
            raise InvalidRequestError(
                "the form has no field `file`; send the slide as -F file=@slide.svs"
            )
        self._file.sync()
        return file_name(str(self._file_part["Content-Disposition"]))

    def _take(self, event: MultipartSegment | bytes | None) -> None:
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            self._end()
        elif self._part is self._file_part:
            self._file.write(event)
        else:
            self._add_text(event)

    def _begin(self, part: MultipartSegment) -> None:
        check_encoding(part)
        self._part = part
        self._text.clear()
        if part.name != FILE_FIELD:
            check_field_name(part.name, PLACE, FORM_FIELDS)
        elif self._file_part is None:
            self._file_part = part
        else:
            raise InvalidRequestError("the form has two fields `file`; send one slide a request")

    def _add_text(self, data: bytes) -> None:
        self._text += data
        if len(self._text) > MAX_FIELD_BYTES:
            name = self._part.name if self._part is not None else ""
            raise InvalidRequestError(
                f"the form's field {name!r} has more than {MAX_FIELD_BYTES} bytes; shorten it"
            )

    def _end(self) -> None:
        part = self._part
        if part is not None and part is not self._file_part:
            text = field_text(part.name, part.charset, bytes(self._text))
            self._fields.add(part.name, text, PLACE)


def is_form(content_type: str) -> bool:
    """Whether a body of that type is a multipart form.

    Raises:
        InvalidRequestError: the body is multipart but not form-data.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("multipart/") and kind != "multipart/form-data":
        raise InvalidRequestError(
            f"a body of type {kind[:60]!r} is not taken; send multipart/form-data or the slide "
            f"itself"
        )
    return kind == "multipart/form-data"


def malformed_form(reason: str) -> InvalidRequestError:
    """The error for a form that cannot be parsed."""
    return InvalidRequestError(
        f"the multipart form cannot be read: {reason}; lines end with CR LF and the last boundary "
        f"with --, as curl -F file=@slide.svs does it"
    )


def _boundary(content_type: str) -> bytes:
    _, options = parse_options_header(content_type)
    boundary = str(options.get("boundary", "")).encode("latin-1")
    if not 0 < len(boundary) <= MAX_BOUNDARY_BYTES:
        raise malformed_form(
            f"Content-Type names a boundary of {len(boundary)} bytes, and 1 to "
            f"{MAX_BOUNDARY_BYTES} are needed"
        )
    return boundary
