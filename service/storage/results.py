"""Slides in the results database: what is known of each and how its status changes.

Owns the allowed changes of status, each one statement, so that server and worker cannot undo one
another's; files and blobs are left to others.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from service.errors import QueueFullError, SlideBusyError, SlideNotFoundError
from service.storage.new_slide import NewSlide
from service.storage.slide_list import PagePlace, SlidePage, read_page
from service.storage.tables import AnalysisRecord, Slide, Status

ENDED = (Status.FAILED, Status.CANCELLED)


class Slides:
    """The slides of one results database; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    def add(self, new: NewSlide) -> tuple[Slide, bool]:
        """The slide, queued, and True; or the one of the same identity, as it is, and False."""
        now = datetime.now(UTC)
        slide = Slide(
            id=new.id,
            identity=new.identity,
            sha256=new.sha256,
            detector=new.detector,
            detector_digest=new.detector_digest,
            mpp=new.mpp,
            accession=new.accession,
            filename=new.filename,
            stored_name=new.stored_name,
            size_bytes=new.size_bytes,
            status=Status.QUEUED,
            created_at=now,
            queued_at=now,
        )
        try:
            with self._sessions.begin() as session:
                session.add(slide)
        except IntegrityError:
            existing = self.find(new.identity)
            if existing is None:
                raise
            return existing, False
        return slide, True

    def find(self, identity: str) -> Slide | None:
        """The slide of that identity, if there is one."""
        with self._sessions() as session:
            return session.scalar(select(Slide).where(Slide.identity == identity))

    def get(self, slide_id: str) -> Slide:
        """The slide of that id.

        Raises:
            SlideNotFoundError: there is none.
        """
        with self._sessions() as session:
            slide = session.get(Slide, slide_id)
        if slide is None:
            raise SlideNotFoundError(
                f"slide {slide_id} does not exist; the list of slides has those that do"
            )
        return slide

    def page(self, status: Status | None, after: PagePlace | None, limit: int) -> SlidePage:
        """At most `limit` slides, newest first, in three queries whatever the limit.

        Args:
            status: only slides of this one; None for all.
            after: where the page begins; None for the newest.
        """
        with self._sessions() as session:
            return read_page(session, status, after, limit)

    def with_status(self, *statuses: Status) -> Sequence[Slide]:
        """All slides of these statuses, first queued first."""
        query = select(Slide).where(Slide.status.in_(statuses)).order_by(Slide.queued_at)
        with self._sessions() as session:
            return session.scalars(query).all()

    def ids(self) -> set[str]:
        """Of all slides."""
        with self._sessions() as session:
            return set(session.scalars(select(Slide.id)))

    def stored_names(self) -> set[str]:
        """Names of all files that belong to a slide."""
        with self._sessions() as session:
            return set(session.scalars(select(Slide.stored_name)))

    def count_by_status(self) -> dict[Status, int]:
        """How many slides there are of each status, zeros included."""
        query = select(Slide.status, func.count()).group_by(Slide.status)
        with self._sessions() as session:
            counts = {row[0]: row[1] for row in session.execute(query)}
        return {status: counts.get(status, 0) for status in Status}

    def queue_position(self, slide: Slide) -> int | None:
        """1 for the next in line, None for a slide that does not wait."""
        if slide.status != Status.QUEUED:
            return None
        query = select(func.count()).where(
            Slide.status == Status.QUEUED, Slide.queued_at < slide.queued_at
        )
        with self._sessions() as session:
            return 1 + (session.scalar(query) or 0)

    def check_queue(self, max_length: int) -> None:
        """Passes if another slide may wait.

        Raises:
            QueueFullError: as many wait as may.
        """
        waiting = self.count_by_status()[Status.QUEUED]
        if waiting >= max_length:
            raise QueueFullError(f"{waiting} slides are waiting, the most allowed; try again later")

    def requeue(self, slide_id: str) -> bool:
        """Queues a failed or cancelled slide anew; False if it is neither."""
        return self._change(
            slide_id,
            ENDED,
            status=Status.QUEUED,
            run=Slide.run + 1,
            queued_at=datetime.now(UTC),
            stalled_starts=0,
            cancel_requested=False,
            tiles_done=0,
            tiles_total=0,
            started_at=None,
            finished_at=None,
            error_name=None,
            error_detail=None,
        )

    def start(self, slide_id: str, run: int) -> Slide | None:
        """The slide, running, if this run of it has still to be worked on; counts the start."""
        now = datetime.now(UTC)
        changed = self._change(
            slide_id,
            (Status.QUEUED, Status.RUNNING),
            run_is=run,
            status=Status.RUNNING,
            stalled_starts=Slide.stalled_starts + 1,
            started_at=func.coalesce(Slide.started_at, now),
        )
        return self.get(slide_id) if changed else None

    def forgive_start(self, slide_id: str) -> None:
        """Takes a start back that was ended on purpose, by a shutdown."""
        fewer = case((Slide.stalled_starts > 0, Slide.stalled_starts - 1), else_=0)
        self._change(slide_id, (Status.RUNNING,), stalled_starts=fewer)

    def note_group_done(self, slide_id: str) -> None:
        """The worker got further than before, so its earlier deaths do not count."""
        self._change(slide_id, (Status.RUNNING,), stalled_starts=0)

    def note_progress(self, slide_id: str, tiles_done: int, tiles_total: int) -> bool:
        """False if the slide is to be stopped: it was cancelled or is gone."""
        return self._change(
            slide_id,
            (Status.RUNNING,),
            only_if=Slide.cancel_requested.is_(False),
            tiles_done=tiles_done,
            tiles_total=tiles_total,
        )

    def finish(self, slide_id: str, report: dict[str, Any], num_cells: int) -> bool:
        """The slide is done; False if it was not running any more."""
        return self._end(
            slide_id, Status.DONE, num_cells, report=report, tiles_done=Slide.tiles_total
        )

    def fail(self, slide_id: str, error_name: str, error_detail: str) -> bool:
        """The slide failed of an error of that class; False if it was not running any more."""
        return self._end(
            slide_id, Status.FAILED, 0, error_name=error_name, error_detail=error_detail
        )

    def stop(self, slide_id: str) -> bool:
        """The worker has stopped as asked; False if it was not running any more."""
        return self._end(slide_id, Status.CANCELLED, 0)

    def cancel(self, slide_id: str) -> Slide:
        """A waiting slide is cancelled, a running one asked to stop, an ended one left as it is.

        Raises:
            SlideNotFoundError: there is none of that id.
        """
        now = datetime.now(UTC)
        if not self._change(slide_id, (Status.QUEUED,), status=Status.CANCELLED, finished_at=now):
            self._change(slide_id, (Status.RUNNING,), cancel_requested=True)
        return self.get(slide_id)

    def delete(self, slide_id: str) -> Slide:
        """The slide that was removed.

        Raises:
            SlideNotFoundError: there is none of that id.
            SlideBusyError: it is being worked on.
        """
        slide = self.get(slide_id)
        statement = delete(Slide).where(Slide.id == slide_id, Slide.status != Status.RUNNING)
        with self._sessions.begin() as session:
            removed = _rows(session, statement)
        if not removed:
            raise SlideBusyError(f"slide {slide_id} is running; cancel it first")
        return slide

    def _change(
        self,
        slide_id: str,
        statuses: Sequence[Status],
        *,
        run_is: int | None = None,
        only_if: Any = None,
        **values: Any,
    ) -> bool:
        statement = update(Slide).where(Slide.id == slide_id, Slide.status.in_(statuses))
        if run_is is not None:
            statement = statement.where(Slide.run == run_is)
        if only_if is not None:
            statement = statement.where(only_if)
        with self._sessions.begin() as session:
            return _rows(session, statement.values(**values)) == 1

    def _end(self, slide_id: str, status: Status, num_cells: int, **values: Any) -> bool:
        """Ends a running slide and records the analysis, both or neither."""
        now = datetime.now(UTC)
        statement = update(Slide).where(Slide.id == slide_id, Slide.status == Status.RUNNING)
        with self._sessions.begin() as session:
            if not _rows(session, statement.values(status=status, finished_at=now, **values)):
                return False
            slide = session.get_one(Slide, slide_id)
            record = {
                "outcome": status,
                "detector": slide.detector,
                "duration_s": (now - (slide.started_at or now)).total_seconds(),
                "tiles": slide.tiles_done,
                "cells": num_cells,
                "finished_at": now,
            }
            session.execute(insert(AnalysisRecord).values(**record))
        return True


def _rows(session: Session, statement: Any) -> int:
    """How many rows an UPDATE or DELETE touched."""
    result: Any = session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)
