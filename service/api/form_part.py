"""Decodes parts of a multipart form: encoding, file name and text.

Owns the encodings; splitting the form into parts is left to `upload_sinks.py`.
"""

from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Any

from multipart import MultipartSegment, content_disposition_unquote, parse_options_header

from service.errors import InvalidRequestError

#: Encodings of a part that leave its bytes as they are (RFC 7578, section 4.7).
PLAIN_ENCODINGS = ("binary", "8bit", "7bit")


def check_encoding(part: MultipartSegment) -> None:
    """Checks that a part is sent without a transfer encoding.

    Raises:
        InvalidRequestError: the part is sent in base64 or another encoding.
    """
    encoding = str(part.header("Content-Transfer-Encoding", "binary")).strip().lower()
    if encoding not in PLAIN_ENCODINGS:
        raise InvalidRequestError(
            f"the form's field {part.name[:60]!r} has Content-Transfer-Encoding "
            f"{encoding[:60]!r}; send its bytes as they are"
        )


def file_name(disposition: str) -> str | None:
    """The file name in a Content-Disposition header, in any encoding, or None.

    Args:
        disposition: the header's value, its bytes read as Latin-1.

    `filename*=` (RFC 5987) goes before `filename=`, whose bytes are UTF-8 by RFC 7578, unless it is
    empty or malformed.
    """
    names = _names(disposition)
    for name in names:
        if isinstance(name, tuple) and (text := _extended_name(name)):
            return text
    plain = [name for name in names if isinstance(name, str)]
    # Browsers write a quotation mark as %22 (WHATWG HTML, multipart/form-data).
    return decode_name(plain[0].encode("latin-1")).replace("%22", '"') if plain else None


def decode_name(raw: bytes) -> str:
    """The text of a name in UTF-8, or else in Windows-1252, which extends Latin-1.

    Other encodings cannot be distinguished from Windows-1252; their ASCII part, and with it the
    suffix, is decoded correctly.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def field_text(name: str, charset: str | None, raw: bytes) -> str:
    """The text of a field.

    Args:
        charset: as the part's Content-Type states it; None is UTF-8 (RFC 7578, section 5.1.2).

    Raises:
        InvalidRequestError: the bytes are not valid in that encoding; the field `filename` is
            decoded by `decode_name` instead.
    """
    try:
        return str(raw, charset or "utf-8")
    except (LookupError, ValueError) as error:
        if name == "filename":
            return decode_name(raw)
        raise InvalidRequestError(
            f"the form's field {name!r} is no text in {(charset or 'UTF-8')[:60]}; send it as UTF-8"
        ) from error


def _names(disposition: str) -> list[str | tuple[str | None, str | None, str]]:
    """The file names in the header; an extended one is (charset, language, text)."""
    header = Message()
    header["Content-Disposition"] = disposition
    try:
        # Typeshed declares plain values only.
        parameters: list[tuple[str, Any]] = header.get_params([], "Content-Disposition")
    except (TypeError, ValueError):
        # The email package fails if whole and numbered extended values (RFC 2231) are mixed.
        _, options = parse_options_header(disposition, unquote=content_disposition_unquote)
        return [options["filename"]] if "filename" in options else []
    return [value for key, value in parameters if key.lower() == "filename"]


def _extended_name(extended: tuple[str | None, str | None, str]) -> str:
    try:
        return collapse_rfc2231_value(extended, "replace")
    except (LookupError, ValueError):
        # Codecs that are no character encodings, e.g. idna, raise other errors.
        return decode_name(extended[2].encode("latin-1", "replace"))
