"""Heartbeats of the workers.

Owns their rows; how long a silent worker counts as alive is left to the caller.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import sessionmaker

from service.storage.tables import Worker


class Workers:
    """The workers of a results database."""

    def __init__(self, engine: Engine) -> None:
        self._sessions = sessionmaker(engine)

    def beat(self, worker_id: str, pid: int) -> None:
        """Stores a heartbeat of the worker."""
        now = datetime.now(UTC)
        with self._sessions.begin() as session:
            row = session.get(Worker, worker_id)
            if row is None:
                session.add(Worker(id=worker_id, pid=pid, started_at=now, seen_at=now))
                return
            if row.pid != pid:
                row.pid, row.started_at = pid, now
            row.seen_at = now

    def leave(self, worker_id: str) -> None:
        """Removes a worker that stops."""
        with self._sessions.begin() as session:
            session.execute(delete(Worker).where(Worker.id == worker_id))

    def count_alive(self, silent_for_s: float) -> int:
        """Number of workers with a heartbeat in the last `silent_for_s` seconds."""
        oldest = datetime.now(UTC) - timedelta(seconds=silent_for_s)
        with self._sessions() as session:
            return session.scalar(select(func.count()).where(Worker.seen_at >= oldest)) or 0
