"""Signs of life of the workers.

Owns their rows; what follows from silence is left to whoever asks.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import sessionmaker

from service.storage.tables import Worker


class Workers:
    """The workers of one results database."""

    def __init__(self, engine: Engine) -> None:
        self._sessions = sessionmaker(engine)

    def beat(self, worker_id: str, pid: int) -> None:
        """This worker lives."""
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
        """This worker stops."""
        with self._sessions.begin() as session:
            session.execute(delete(Worker).where(Worker.id == worker_id))

    def count_alive(self, silent_for_s: float) -> int:
        """How many gave a sign of life within that time."""
        oldest = datetime.now(UTC) - timedelta(seconds=silent_for_s)
        with self._sessions() as session:
            return session.scalar(select(func.count()).where(Worker.seen_at >= oldest)) or 0
