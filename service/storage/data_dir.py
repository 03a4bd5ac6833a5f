"""Paths in a data directory, and the locks that allow one server and one worker on it.

Owns paths and locks; the content of the files is left to the other modules of this package.
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
        """Files of accepted slides; OpenSlide opens only files."""
        return self.root / "slides"

    @property
    def uploads(self) -> Path:
        """Unfinished uploads; on the file system of `slides`, so that a finished one is renamed."""
        return self.root / "uploads"

    @property
    def blobs(self) -> Path:
        """Folder of detections and thumbnails."""
        return self.root / "blobs"

    @property
    def worker_pid(self) -> Path:
        """File with the process id of the running worker."""
        return self.root / "worker.pid"

    def create(self) -> None:
        """Creates missing folders.

        Raises:
            ConfigError: a folder cannot be created or written to.
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
        """A lock that is held until it is released or the process ends, even by SIGKILL.

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
