"""The list of slides, a page at a time, newest first.

Owns the order and the keyset, a time and an id, from which a page begins: deleting slides between
two pages never hides another slide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, literal, select, tuple_
from sqlalchemy.orm import Session, defer

from service.storage.tables import Slide, Status, UtcDateTime


@dataclass(frozen=True)
class PagePlace:
    """A position in the list of slides: right after the slide of this time and id.

    It stays valid when that slide is deleted.
    """

    created_at: datetime
    slide_id: str


@dataclass(frozen=True)
class SlidePage:
    """A page of slides, newest first; their reports are not loaded.

    Attributes:
        queue_positions: from 1, by id; queued slides only.
        total: number of slides on all pages.
        end: where the next page begins, None on the last page.
    """

    slides: Sequence[Slide]
    queue_positions: dict[str, int]
    total: int
    end: PagePlace | None


def read_page(
    session: Session, status: Status | None, after: PagePlace | None, limit: int
) -> SlidePage:
    """A page of at most `limit` slides; three queries for any limit.

    Args:
        status: only slides of this status; None for all.
        after: where the page begins; None begins with the newest slide.
    """
    total = session.scalar(_of_status(select(func.count(Slide.id)), status)) or 0
    slides = session.scalars(_page_query(status, after, limit + 1)).all()
    positions = _queue_positions(session, [slide.id for slide in slides[:limit]])
    end = None
    if len(slides) > limit:
        end = PagePlace(slides[limit - 1].created_at, slides[limit - 1].id)
    return SlidePage(slides[:limit], positions, total, end)


def _of_status(query: Select[Any], status: Status | None) -> Select[Any]:
    return query if status is None else query.where(Slide.status == status)


def _page_query(status: Status | None, after: PagePlace | None, limit: int) -> Select[Any]:
    query = _of_status(select(Slide), status).options(defer(Slide.report, raiseload=True))
    if after is not None:
        keyset = tuple_(literal(after.created_at, UtcDateTime()), literal(after.slide_id))
        query = query.where(tuple_(Slide.created_at, Slide.id) < keyset)
    return query.order_by(Slide.created_at.desc(), Slide.id.desc()).limit(limit)


def _queue_positions(session: Session, slide_ids: Sequence[str]) -> dict[str, int]:
    """Positions in the queue, from 1, by id; ids of slides that are not queued are left out."""
    position = func.rank().over(order_by=Slide.queued_at).label("position")
    queue = select(Slide.id, position).where(Slide.status == Status.QUEUED).subquery()
    query = select(queue.c.id, queue.c.position).where(queue.c.id.in_(slide_ids))
    return {row[0]: row[1] for row in session.execute(query)}
