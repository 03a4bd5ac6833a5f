"""Slides in the results database, and the changes of their status.

Owns the allowed changes, each in a single SQL statement, so that server and worker cannot overwrite
each other's change; files and blobs are left to other modules.
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
        """The new, queued slide and True, or an existing slide of the same identity and False."""
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
        """The slide of that identity, or None."""
        with self._sessions() as session:
            return session.scalar(select(Slide).where(Slide.identity == identity))

    def get(self, slide_id: str) -> Slide:
        """The slide of that id.

        Raises:
            SlideNotFoundError: no slide has this id.
        """
        with self._sessions() as session:
            slide = session.get(Slide, slide_id)
        if slide is None:
            raise SlideNotFoundError(
                f"slide {slide_id} does not exist; the list of slides has those that do"
            )
        return slide

    def page(self, status: Status | None, after: PagePlace | None, limit: int) -> SlidePage:
        """At most `limit` slides, newest first; three queries for any limit.

        Args:
            status: only slides of this status; None for all.
            after: where the page begins; None begins with the newest slide.
        """
        with self._sessions() as session:
            return read_page(session, status, after, limit)

    def with_status(self, *statuses: Status) -> Sequence[Slide]:
        """All slides of these statuses, sorted by the time at which they were queued."""
        query = select(Slide).where(Slide.status.in_(statuses)).order_by(Slide.queued_at)
        with self._sessions() as session:
            return session.scalars(query).all()

    def ids(self) -> set[str]:
        """Ids of all slides."""
        with self._sessions() as session:
            return set(session.scalars(select(Slide.id)))

    def stored_names(self) -> set[str]:
        """Names of the stored files of all slides."""
        with self._sessions() as session:
            return set(session.scalars(select(Slide.stored_name)))

    def count_by_status(self) -> dict[Status, int]:
        """Number of slides by status, including statuses without slides."""
        query = select(Slide.status, func.count()).group_by(Slide.status)
        with self._sessions() as session:
            counts = {row[0]: row[1] for row in session.execute(query)}
        return {status: counts.get(status, 0) for status in Status}

    def queue_position(self, slide: Slide) -> int | None:
        """Position in the queue, 1 for the next slide; None if the slide is not queued."""
        if slide.status != Status.QUEUED:
            return None
        query = select(func.count()).where(
            Slide.status == Status.QUEUED, Slide.queued_at < slide.queued_at
        )
        with self._sessions() as session:
            return 1 + (session.scalar(query) or 0)

    def check_queue(self, max_length: int) -> None:
        """Checks that the queue has room for another slide.

        Raises:
            QueueFullError: `max_length` slides are queued.
        """
        waiting = self.count_by_status()[Status.QUEUED]
        if waiting >= max_length:
            raise QueueFullError(f"{waiting} slides are waiting, the most allowed; try again later")

    def requeue(self, slide: Slide) -> bool:
        """Queues a slide that has ended again; False if it was queued again since it was read."""
        return self._change(
            slide.id,
            (*ENDED, Status.DONE),
            run_is=slide.run,
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
        """The slide, now running, or None if this run is outdated or ended; counts the start."""
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
        """Uncounts a start that a shutdown interrupted."""
        fewer = case((Slide.stalled_starts > 0, Slide.stalled_starts - 1), else_=0)
        self._change(slide_id, (Status.RUNNING,), stalled_starts=fewer)

    def note_group_done(self, slide_id: str) -> None:
        """Resets the count of starts without progress, since a group of tiles is finished."""
        self._change(slide_id, (Status.RUNNING,), stalled_starts=0)

    def note_progress(self, slide_id: str, tiles_done: int, tiles_total: int) -> bool:
        """Stores the progress; False if the slide was cancelled or deleted and must stop."""
        return self._change(
            slide_id,
            (Status.RUNNING,),
            only_if=Slide.cancel_requested.is_(False),
            tiles_done=tiles_done,
            tiles_total=tiles_total,
        )

    def finish(self, slide_id: str, report: dict[str, Any], num_cells: int) -> bool:
        """Sets the slide to done and stores its report; False if it was no longer running."""
        return self._end(
            slide_id, Status.DONE, num_cells, report=report, tiles_done=Slide.tiles_total
        )

    def fail(self, slide_id: str, error_name: str, error_detail: str) -> bool:
        """Sets the slide to failed with that error; False if it was no longer running."""
        return self._end(
            slide_id, Status.FAILED, 0, error_name=error_name, error_detail=error_detail
        )

    def stop(self, slide_id: str) -> bool:
        """Sets the slide to cancelled; False if it was no longer running."""
        return self._end(slide_id, Status.CANCELLED, 0)

    def cancel(self, slide_id: str) -> Slide:
        """The slide: cancelled if it was queued, marked to stop if it runs, else unchanged.

        Raises:
            SlideNotFoundError: no slide has this id.
        """
        now = datetime.now(UTC)
        if not self._change(slide_id, (Status.QUEUED,), status=Status.CANCELLED, finished_at=now):
            self._change(slide_id, (Status.RUNNING,), cancel_requested=True)
        return self.get(slide_id)

    def delete(self, slide_id: str) -> Slide:
        """The deleted slide.

        Raises:
            SlideNotFoundError: no slide has this id.
            SlideBusyError: the slide is running.
        """
        slide = self.get(slide_id)
        statement = delete(Slide).where(Slide.id == slide_id, Slide.status != Status.RUNNING)
        with self._sessions.begin() as session:
            removed = _num_rows(session, statement)
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
            return _num_rows(session, statement.values(**values)) == 1

    def _end(self, slide_id: str, status: Status, num_cells: int, **values: Any) -> bool:
        """Ends a running slide and records its analysis atomically; False if it was not running."""
        now = datetime.now(UTC)
        statement = update(Slide).where(Slide.id == slide_id, Slide.status == Status.RUNNING)
        with self._sessions.begin() as session:
            if not _num_rows(session, statement.values(status=status, finished_at=now, **values)):
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


def _num_rows(session: Session, statement: Any) -> int:
    """Number of rows that an UPDATE or DELETE changed."""
    result: Any = session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)
