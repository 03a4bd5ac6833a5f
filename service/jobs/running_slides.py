"""The slides that a worker is at, noted by the threads that work and read by the one that stops.

Owns the set and its lock.
"""

import threading


class RunningSlides:
    """Ids of slides; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    def add(self, slide_id: str) -> None:
        """Notes that work on the slide begins."""
        with self._lock:
            self._ids.add(slide_id)

    def remove(self, slide_id: str) -> None:
        """Notes that work on the slide has ended."""
        with self._lock:
            self._ids.discard(slide_id)

    def ids(self) -> tuple[str, ...]:
        """The slides of this moment, which later changes leave alone."""
        with self._lock:
            return tuple(self._ids)
