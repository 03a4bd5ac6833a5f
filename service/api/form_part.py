"""What the header and the bytes of a form's part mean: its field, file name and text.

Owns the encodings; cutting the form into parts is left to `form_sink.py`.
"""

from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Any

from multipart import MultipartSegment

from service.errors import InvalidRequestError

#: Encodings of a part that leave its bytes as they are (RFC 7578, section 4.7).
PLAIN_ENCODINGS = ("binary", "8bit", "7bit")


def check_encoding(part: MultipartSegment) -> None:
    """Passes for a part whose bytes are the file's.

    Raises:
        InvalidRequestError: it is sent in base64 or the like.
    """
    encoding = str(part.header("Content-Transfer-Encoding", "binary")).strip().lower()
    if encoding not in PLAIN_ENCODINGS:
        raise InvalidRequestError(
            f"the form's field {part.name[:60]!r} has Content-Transfer-Encoding "
            f"{encoding[:60]!r}; send its bytes as they are"
        )


def file_name(disposition: str) -> str | None:
    """The file name in a Content-Disposition, in whatever encoding it came, or None.

    Args:
        disposition: the header's value, its bytes read as Latin-1.

    `filename*=` (RFC 5987) goes before `filename=`, whose bytes are UTF-8 by RFC 7578.
    """
    header = Message()
    header["Content-Disposition"] = disposition
    # Typeshed knows only of plain values; an extended one is (charset, language, text).
    parameters: list[tuple[str, Any]] = header.get_params([], "Content-Disposition")
    names = [value for key, value in parameters if key.lower() == "filename"]
    for extended in names:
        if isinstance(extended, tuple):
            return _extended_name(extended)
    # Browsers write a quotation mark as %22 (WHATWG HTML, multipart/form-data).
    return decode_name(names[0].encode("latin-1")).replace("%22", '"') if names else None


def decode_name(raw: bytes) -> str:
    """A name from bytes: UTF-8, or else Windows-1252, which is Latin-1 and what Windows adds.

    Other encodings cannot be told from that one; their ASCII part, and so the suffix, is right.
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
        InvalidRequestError: the bytes are no text of that encoding. A file name is kept as well as
            it can be instead.
    """
    try:
        return str(raw, charset or "utf-8")
    except (LookupError, ValueError) as error:
        if name == "filename":
            return decode_name(raw)
        raise InvalidRequestError(
            f"the form's field {name!r} is no text in {(charset or 'UTF-8')[:60]}; send it as UTF-8"
        ) from error


def _extended_name(extended: tuple[str | None, str | None, str]) -> str:
    try:
        return collapse_rfc2231_value(extended, "replace")
    except (LookupError, ValueError):
        # Codecs that are no character encodings, e.g. idna, fail in ways of their own.
        return decode_name(extended[2].encode("latin-1", "replace"))
