"""The cursor of a page of the list: opaque to clients, a place in the list to us.

Owns its form: a time in microseconds and a slide's id, both in hexadecimal digits. Everything of
that form is a place, whether or not a slide ever stood there.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from service.storage.slide_list import PagePlace

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Of the time; as many as the calendar has microseconds for.
TIME_DIGITS = 14
ID_DIGITS = 32
CURSOR_PATTERN = f"^[0-9a-f]{{{TIME_DIGITS + ID_DIGITS}}}$"


def write_cursor(place: PagePlace) -> str:
    """The cursor that stands for a place."""
    time_us = (place.created_at - EPOCH) // timedelta(microseconds=1)
    return f"{time_us:0{TIME_DIGITS}x}{UUID(place.slide_id).hex}"


def read_cursor(cursor: str) -> PagePlace:
    """The place that a cursor, of the form above, stands for."""
    time_us = int(cursor[:TIME_DIGITS], 16)
    slide_id = str(UUID(hex=cursor[TIME_DIGITS:]))
    return PagePlace(EPOCH + timedelta(microseconds=time_us), slide_id)
