"""Where everything lies in a data directory, and who may work on it.

Owns the paths and the locks; what the files hold is left to the other files here.
"""

from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from service.errors import ConfigError, DataDirectoryBusyError


@dataclass(frozen=True)
class DataDir:
    """The paths of one data directory."""

    root: Path

    @property
    def results_db(self) -> Path:
        """SQLite file of slides and reports."""
        return self.root / "results.sqlite"

    @property
    def jobs_db(self) -> Path:
        """SQLite file of the durable jobs."""
        return self.root / "jobs.sqlite"

    @property
    def slides(self) -> Path:
        """Accepted slides, as files, for OpenSlide opens only those."""
        return self.root / "slides"

    @property
    def uploads(self) -> Path:
        """Uploads under way; on the same file system as `slides`, so that they can be moved."""
        return self.root / "uploads"

    @property
    def blobs(self) -> Path:
        """Detections and thumbnails."""
        return self.root / "blobs"

    @property
    def worker_pid(self) -> Path:
        """Holds the process id of the worker while it lives."""
        return self.root / "worker.pid"

    def create(self) -> None:
        """Makes the folders that are missing.

        Raises:
            ConfigError: they cannot be made or written to.
        """
        try:
            for folder in (self.slides, self.uploads, self.blobs):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.uploads / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ConfigError(
                f"data directory {self.root}: {error.strerror}; name one that can be written to"
            ) from error

    def lock(self, role: str) -> FileLock:
        """A lock held until it is released or the process ends, however it ends.

        Args:
            role: "server" or "worker"; a directory has at most one of each.

        Raises:
            DataDirectoryBusyError: another process has that role.
        """
        lock = FileLock(self.root / f"{role}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise DataDirectoryBusyError(
                f"data directory {self.root}: a {role} is already running on it; stop that one or "
                f"name another directory"
            ) from error
        return lock
