"""Ids of slides that a worker is analysing; written by job threads, read by the main thread.

Owns the set and its lock.
"""

import threading


class RunningSlides:
    """Ids of running slides; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    def add(self, slide_id: str) -> None:
        """Adds a slide whose analysis begins."""
        with self._lock:
            self._ids.add(slide_id)

    def remove(self, slide_id: str) -> None:
        """Removes a slide whose analysis has ended."""
        with self._lock:
            self._ids.discard(slide_id)

    def ids(self) -> tuple[str, ...]:
        """A copy of the current ids."""
        with self._lock:
            return tuple(self._ids)
