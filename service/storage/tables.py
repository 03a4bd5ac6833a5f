"""The tables of the results database, as SQLAlchemy models.

Owns names and types; `migrations/` creates the tables, and a test checks that both agree.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Index, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Status(StrEnum):
    """Status of a slide."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the analysis has ended; only a new request changes this status."""
        return self in (Status.DONE, Status.FAILED, Status.CANCELLED)


class UtcDateTime(TypeDecorator[datetime]):
    """Time-zone aware times; stored and returned in UTC, since SQLite stores no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time in UTC, for storing."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The stored time, marked as UTC."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Base of all tables; fixes constraint names, which migrations refer to."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: JSON()}  # noqa: RUF012


class Slide(Base):
    """An accepted slide.

    Attributes:
        id: UUID.
        identity: digest of sha256, detector digest, mpp and accession; see `new_slide.py`.
        sha256: hex digest of the file.
        stored_name: of the file in the data directory's `slides`.
        run: number of times that it was queued; jobs of earlier runs are ignored.
        stalled_starts: number of starts by a worker since the last finished group of tiles.
        error_name, error_detail: class and message of the error that failed it.
    """

    __tablename__ = "slides"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    identity: Mapped[str] = mapped_column(String(64), unique=True)
    sha256: Mapped[str] = mapped_column(String(64))
    detector: Mapped[str] = mapped_column(String(200))
    detector_digest: Mapped[str] = mapped_column(String(80))
    mpp: Mapped[float | None]
    accession: Mapped[str | None] = mapped_column(String(200))
    filename: Mapped[str | None] = mapped_column(String(255))
    stored_name: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(16))
    run: Mapped[int] = mapped_column(default=1)
    stalled_starts: Mapped[int] = mapped_column(default=0)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    tiles_done: Mapped[int] = mapped_column(default=0)
    tiles_total: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    queued_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    error_name: Mapped[str | None] = mapped_column(String(80))
    error_detail: Mapped[str | None]
    report: Mapped[dict[str, Any] | None]

    __table_args__ = (
        Index("ix_slides_created_at_id", "created_at", "id"),
        Index("ix_slides_status_created_at_id", "status", "created_at", "id"),
        Index("ix_slides_status_queued_at", "status", "queued_at"),
    )


class IdempotencyKey(Base):
    """An Idempotency-Key and the response to the first request with it.

    Attributes:
        request_digest: of the request; None while its body is being received.
        status_code, answer: of the response; None while the request is in flight.
    """

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_digest: Mapped[str | None] = mapped_column(String(64))
    status_code: Mapped[int | None]
    answer: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]


class AnalysisRecord(Base):
    """An ended analysis; stays for the metrics after its slide is deleted."""

    __tablename__ = "analysis_records"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    outcome: Mapped[str] = mapped_column(String(16))
    detector: Mapped[str] = mapped_column(String(200))
    duration_s: Mapped[float]
    tiles: Mapped[int]
    cells: Mapped[int]
    finished_at: Mapped[datetime]


class Worker(Base):
    """A worker and the time of its last heartbeat."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    pid: Mapped[int]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
