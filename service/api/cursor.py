"""The cursor of a page of the list: opaque to clients, encodes a position in the list.

Owns its form: a time in microseconds and a slide's id, both in hexadecimal digits. Every cursor of
that form is valid, whether or not a slide with that time and id exists.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from service.storage.slide_list import PagePlace

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Digits of the time; enough for every time that Python's calendar has.
TIME_DIGITS = 14
ID_DIGITS = 32
CURSOR_PATTERN = f"^[0-9a-f]{{{TIME_DIGITS + ID_DIGITS}}}$"


def write_cursor(place: PagePlace) -> str:
    """The cursor of a position."""
    time_us = (place.created_at - EPOCH) // timedelta(microseconds=1)
    return f"{time_us:0{TIME_DIGITS}x}{UUID(place.slide_id).hex}"


def read_cursor(cursor: str) -> PagePlace:
    """The position that a cursor, which matches `CURSOR_PATTERN`, encodes."""
    time_us = int(cursor[:TIME_DIGITS], 16)
    slide_id = str(UUID(hex=cursor[TIME_DIGITS:]))
    return PagePlace(EPOCH + timedelta(microseconds=time_us), slide_id)
