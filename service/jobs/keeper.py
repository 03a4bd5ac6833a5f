"""Keeps a worker process alive beside the server, and ends it with the server.

Owns starting, restarting and stopping; the worker ties itself to the server (`worker.py`).
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from service.jobs.worker import TIED_TO_PARENT
from service.settings import Settings
from service.storage.data_dir import DataDir

RESTART_DELAY_S = 0.5
STOP_TIMEOUT_S = 5.0

WORKER_COMMAND = (sys.executable, "-m", "service.jobs.worker", TIED_TO_PARENT)

log: structlog.stdlib.BoundLogger = structlog.get_logger("service.jobs")


@contextmanager
def kept_worker(settings: Settings, command: Sequence[str] = WORKER_COMMAND) -> Iterator[None]:
    """A worker beside whatever is done in this context."""
    keeper = WorkerKeeper(settings, command)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()


class WorkerKeeper:
    """A worker that is started again whenever it ends.

    Args:
        settings: the worker's as well.
        command: that runs the worker; it ends when its standard input does.
    """

    def __init__(self, settings: Settings, command: Sequence[str]) -> None:
        self._settings = settings
        self._command = command
        self._stopping = threading.Event()
        # Lives as long as the server: on Linux a child's parent is the thread that started it.
        self._thread = threading.Thread(target=self._keep, name="worker-keeper", daemon=True)

    def start(self) -> None:
        """Starts the worker in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the worker: SIGTERM first, SIGKILL if that is not enough."""
        self._stopping.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            process = self._spawn()
            while process.poll() is None and not self._stopping.wait(0.1):
                pass
            if self._stopping.is_set():
                self._end(process)
                return
            DataDir(self._settings.data_dir).worker_pid.unlink(missing_ok=True)
            log.error("worker died; starting it again", status=process.returncode)
            self._stopping.wait(RESTART_DELAY_S)

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = os.environ | self._settings.as_environment()
        # A process group of its own: Ctrl-C reaches the server alone, which ends the worker.
        return subprocess.Popen(
            self._command, stdin=subprocess.PIPE, env=environment, process_group=0
        )

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            log.warning("worker did not stop in time and is killed")
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
