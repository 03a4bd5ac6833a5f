"""Sums over ended analyses, for the metrics.

Owns the queries; the metrics' names and labels are left to the API.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, case, func, select
from sqlalchemy.orm import sessionmaker

from service.storage.tables import AnalysisRecord, Status


@dataclass(frozen=True)
class Tally:
    """Sums over the analyses of one detector and outcome.

    Attributes:
        within: number of analyses no longer than each of the requested durations.
    """

    detector: str
    outcome: Status
    analyses: int
    tiles: int
    cells: int
    duration_s: float
    within: tuple[int, ...]


class Tallies:
    """Sums over the analyses in a results database."""

    def __init__(self, engine: Engine) -> None:
        self._sessions = sessionmaker(engine)

    def all(self, durations_s: Sequence[float]) -> list[Tally]:
        """A tally for each detector and outcome that occurs.

        Args:
            durations_s: upper limits that `Tally.within` counts by.
        """
        record = AnalysisRecord
        within = [func.sum(case((record.duration_s <= limit, 1), else_=0)) for limit in durations_s]
        query = select(
            record.detector,
            record.outcome,
            func.count(),
            func.sum(record.tiles),
            func.sum(record.cells),
            func.sum(record.duration_s),
            *within,
        ).group_by(record.detector, record.outcome)
        with self._sessions() as session:
            rows = session.execute(query).all()
        return [
            Tally(row[0], Status(row[1]), row[2], row[3], row[4], row[5], tuple(row[6:]))
            for row in rows
        ]
