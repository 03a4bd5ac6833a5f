"""Idempotency-Keys: a repeated request gets the response to the first.

Owns the states of a key, from claim to response or release; the request digest is left to the API.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, or_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import sessionmaker

from service.errors import IdempotencyConflictError, IdempotencyInFlightError
from service.storage.tables import IdempotencyKey

RETENTION = timedelta(days=7)


@dataclass(frozen=True)
class FirstAnswer:
    """The response to the first request with a key, and that request's digest."""

    request_digest: str
    status_code: int
    answer: dict[str, Any]

    def check(self, key: str, request_digest: str) -> None:
        """Passes for a repetition of the same request.

        Raises:
            IdempotencyConflictError: the digests differ.
        """
        if request_digest != self.request_digest:
            raise IdempotencyConflictError(
                f"Idempotency-Key {key!r} was used for another request; use a new key"
            )


class IdempotencyKeys:
    """The keys of one results database."""

    def __init__(self, engine: Engine) -> None:
        self._sessions = sessionmaker(engine)

    def claim(self, key: str) -> FirstAnswer | None:
        """The stored response, or None for a new key, which is held until `answer` or `release`.

        Raises:
            IdempotencyInFlightError: another request holds it.
        """
        row = IdempotencyKey(key=key, created_at=datetime.now(UTC))
        try:
            with self._sessions.begin() as session:
                session.add(row)
        except IntegrityError:
            return self._first_answer(key)
        return None

    def answer(self, key: str, first: FirstAnswer) -> None:
        """Stores the response to the request that holds the key."""
        values = {
            "request_digest": first.request_digest,
            "status_code": first.status_code,
            "answer": first.answer,
        }
        with self._sessions.begin() as session:
            session.execute(
                update(IdempotencyKey).where(IdempotencyKey.key == key).values(**values)
            )

    def release(self, key: str) -> None:
        """Deletes the key of a refused request, so that the request can be repeated."""
        with self._sessions.begin() as session:
            session.execute(
                delete(IdempotencyKey).where(
                    IdempotencyKey.key == key, IdempotencyKey.status_code.is_(None)
                )
            )

    def forget_stale(self) -> None:
        """Deletes keys that a crashed server held, and keys older than `RETENTION`."""
        oldest = datetime.now(UTC) - RETENTION
        stale = or_(IdempotencyKey.status_code.is_(None), IdempotencyKey.created_at < oldest)
        with self._sessions.begin() as session:
            session.execute(delete(IdempotencyKey).where(stale))

    def _first_answer(self, key: str) -> FirstAnswer:
        with self._sessions() as session:
            row = session.get(IdempotencyKey, key)
        if row is None or row.status_code is None or row.request_digest is None:
            raise IdempotencyInFlightError(
                f"a request with Idempotency-Key {key!r} is still in flight; wait for its answer"
            )
        return FirstAnswer(row.request_digest, row.status_code, row.answer or {})
