"""A cursor stands for one place in the list, and everything of its form is one."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from service.api.cursor import CURSOR_PATTERN, read_cursor, write_cursor
from service.storage.slide_list import PagePlace

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(4000, 1, 1), timezones=st.just(UTC))


@given(TIMES, st.uuids())
def test_place_comes_back(time: datetime, slide_id: object) -> None:
    place = PagePlace(time, str(slide_id))
    assert read_cursor(write_cursor(place)) == place


@given(st.from_regex(CURSOR_PATTERN, fullmatch=True))
def test_every_cursor_of_the_form_is_a_place(cursor: str) -> None:
    assert write_cursor(read_cursor(cursor)) == cursor
