"""The tables of the results database, as SQLAlchemy models.

Owns names and types; `migrations/` creates them, and a test holds the two together.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Index, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Status(StrEnum):
    """Where a slide stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens unless someone asks for it."""
        return self in (Status.DONE, Status.FAILED, Status.CANCELLED)


class UtcDateTime(TypeDecorator[datetime]):
    """Times with a zone: SQLite forgets it, so they are kept and given back in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC, on the way in."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """As UTC, on the way out."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Of every table; names constraints, so that migrations can."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: JSON()}  # noqa: RUF012


class Slide(Base):
    """One slide that was accepted.

    Attributes:
        id: UUID.
        identity: digest of sha256, detector digest, mpp and accession; see `new_slide.py`.
        sha256: hex digest of the file.
        stored_name: of the file in the data directory's `slides`.
        run: how often it was queued; a job of an earlier run has no say any more.
        stalled_starts: how often a worker began since the last finished group of tiles.
        error_name, error_detail: class and text of what it failed of.
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
    """The first answer to a request that came with an Idempotency-Key.

    Attributes:
        request_digest: of the request; None while its body is still arriving.
        status_code, answer: what was answered; None while it is worked on.
    """

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_digest: Mapped[str | None] = mapped_column(String(64))
    status_code: Mapped[int | None]
    answer: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]


class AnalysisRecord(Base):
    """One analysis that came to an end, kept for the metrics after its slide is deleted."""

    __tablename__ = "analysis_records"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    outcome: Mapped[str] = mapped_column(String(16))
    detector: Mapped[str] = mapped_column(String(200))
    duration_s: Mapped[float]
    tiles: Mapped[int]
    cells: Mapped[int]
    finished_at: Mapped[datetime]


class Worker(Base):
    """A worker's sign of life."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    pid: Mapped[int]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
