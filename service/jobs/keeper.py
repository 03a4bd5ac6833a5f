"""Supervises a worker process beside the server, and ends it with the server.

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
def run_worker_beside(
    settings: Settings, command: Sequence[str] = WORKER_COMMAND
) -> Iterator[None]:
    """Runs a worker while the context is open."""
    keeper = WorkerKeeper(settings, command)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()


class WorkerKeeper:
    """Starts a worker and restarts it whenever it ends.

    Args:
        settings: of the server; the worker gets the same.
        command: runs the worker, which must end when its standard input is closed.
    """

    def __init__(self, settings: Settings, command: Sequence[str]) -> None:
        self._settings = settings
        self._command = command
        self._stopping = threading.Event()
        # Lasts as long as the server: on Linux, the worker's parent-death signal is sent
        # when the thread that started it ends.
        self._thread = threading.Thread(target=self._keep, name="worker-keeper", daemon=True)

    def start(self) -> None:
        """Starts the worker in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the worker by SIGTERM, or by SIGKILL after `STOP_TIMEOUT_S`."""
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
        # Its own process group: Ctrl-C signals only the server, which then ends the worker.
        return subprocess.Popen(
            self._command, stdin=subprocess.PIPE, env=environment, process_group=0
        )

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            log.warning("worker did not stop in time; killing it")
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
