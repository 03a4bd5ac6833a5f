"""Paging lists every slide, with a number of queries that does not depend on their number."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from service.storage.new_slide import NewSlide
from service.storage.results import Slides
from service.storage.slide_list import PagePlace, SlidePage
from service.storage.tables import Status

Make = Callable[..., NewSlide]


def fill(slides: Slides, new_slide: Make, count: int) -> list[str]:
    """Ids of `count` new queued slides, newest first."""
    added = [slides.add(new_slide(f"{number:064x}"))[0].id for number in range(count)]
    return added[::-1]


@contextmanager
def count_statements(engine: Engine) -> Iterator[list[str]]:
    """SQL statements that are executed in this context."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def ids(page: SlidePage) -> list[str]:
    return [slide.id for slide in page.slides]


def test_pages_are_newest_first_and_end(slides: Slides, new_slide: Make) -> None:
    newest_first = fill(slides, new_slide, 5)
    listed: list[str] = []
    place: PagePlace | None = None
    for _ in range(3):
        page = slides.page(None, place, 2)
        assert page.total == 5
        listed += ids(page)
        place = page.end
    assert listed == newest_first
    assert place is None
    assert slides.page(Status.DONE, None, 10) == SlidePage([], {}, 0, None)


def test_full_last_page_has_no_next(slides: Slides, new_slide: Make) -> None:
    fill(slides, new_slide, 2)
    assert slides.page(None, None, 2).end is None


def test_deletions_while_paging_hide_no_slide(slides: Slides, new_slide: Make) -> None:
    newest_first = fill(slides, new_slide, 6)
    first = slides.page(None, None, 3)
    for slide_id in newest_first[:3]:
        slides.delete(slide_id)
    assert ids(slides.page(None, first.end, 3)) == newest_first[3:]


def test_slides_created_at_the_same_time_are_all_listed(
    slides: Slides, new_slide: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.storage import results

    moment = results.datetime.now(results.UTC)

    class StoppedClock:
        @staticmethod
        def now(_zone: object) -> object:
            return moment

    monkeypatch.setattr(results, "datetime", StoppedClock)
    added = fill(slides, new_slide, 5)
    first = slides.page(None, None, 2)
    second = slides.page(None, first.end, 3)
    assert sorted(ids(first) + ids(second)) == sorted(added)


def test_queue_positions_agree_with_those_of_single_slides(slides: Slides, new_slide: Make) -> None:
    newest_first = fill(slides, new_slide, 4)
    slides.start(newest_first[-1], 1)
    slides.cancel(newest_first[1])
    page = slides.page(None, None, 10)
    for slide in page.slides:
        assert page.queue_positions.get(slide.id) == slides.queue_position(slide)
    assert page.queue_positions == {newest_first[2]: 1, newest_first[0]: 2}


@pytest.mark.parametrize("count", [1, 500])
def test_page_takes_three_queries(
    engine: Engine, slides: Slides, new_slide: Make, count: int
) -> None:
    fill(slides, new_slide, count)
    with count_statements(engine) as statements:
        start_s = time.monotonic()
        page = slides.page(Status.QUEUED, None, 500)
        duration_s = time.monotonic() - start_s
    assert len(page.slides) == len(page.queue_positions) == count
    assert len(statements) == 3
    assert duration_s < 1.0


def test_reports_are_not_read_with_the_list(
    engine: Engine, slides: Slides, new_slide: Make
) -> None:
    fill(slides, new_slide, 1)
    with count_statements(engine) as statements:
        slides.page(None, None, 10)
    assert not any("report" in statement for statement in statements)


def test_page_is_read_by_index(engine: Engine, slides: Slides, new_slide: Make) -> None:
    fill(slides, new_slide, 3)
    place = slides.page(None, None, 1).end
    for status in (None, Status.QUEUED):
        with count_statements(engine) as statements:
            slides.page(status, place, 1)
        query = next(statement for statement in statements if "ORDER BY slides" in statement)
        with engine.connect() as connection:
            values = tuple("" for _ in range(query.count("?")))
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
        text = " ".join(str(row[-1]) for row in plan)
        assert "SEARCH slides USING INDEX" in text
        assert "TEMP B-TREE" not in text
