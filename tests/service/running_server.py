"""Starts, stops, kills and restarts a real server process on a free port.

Owns the process; requests are left to the tests.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 40.0
POLL_S = 0.05
COMMAND = (sys.executable, "-m", "tests.service.fake_server", "server")

T = TypeVar("T")


class RunningServer:
    """A server on a data directory; `start` restarts it after `stop` or `kill`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.command: Sequence[str] = COMMAND
        self.process: subprocess.Popen[bytes] | None = None
        self._environment = os.environ | {
            "CYTOLIBRA_DATA_DIR": str(self.data),
            "CYTOLIBRA_PORT": "0",
            "CYTOLIBRA_GROUP_SIZE": "8",
            "CYTOLIBRA_BATCH_SIZE": "4",
            "CYTOLIBRA_NUM_READERS": "1",
            **environment,
        }

    def is_running(self) -> bool:
        """Whether the server process is alive."""
        return self.process is not None and self.process.poll() is None

    def start(self, until: str = "/readyz") -> "RunningServer":
        """Starts the server and waits until the path `until` answers with 200."""
        self._log_size_at_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        url = wait_for(self._url, START_TIMEOUT_S)
        self.client = httpx.Client(base_url=url, timeout=20.0)
        wait_for(lambda: self.client.get(until).status_code == 200, START_TIMEOUT_S)
        return self

    def stop(self, timeout_s: float = 15.0) -> int:
        """The exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.end(timeout_s)

    def kill(self) -> None:
        """Ends the server by SIGKILL."""
        self.process.kill()
        self.end(5.0)

    def end(self, timeout_s: float) -> int:
        """The exit status, once the process has ended."""
        try:
            return self.process.wait(timeout_s)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.client.close()

    def worker_pid(self) -> int:
        """The process id in the data directory's pid file."""
        return int((self.data / "worker.pid").read_text())

    def post(self, slide: Path, **query: str | float) -> httpx.Response:
        """The response to an upload of the slide as a form."""
        with slide.open("rb") as file:
            params = {"detector": "fake", **query}
            return self.client.post("/v1/slides", params=params, files={"file": file})

    def status(self, slide_id: str) -> dict[str, Any]:
        """The status of a slide, as JSON."""
        answer = self.client.get(f"/v1/slides/{slide_id}").raise_for_status()
        status: dict[str, Any] = answer.json()
        return status

    def wait_until(
        self, slide_id: str, is_so: Callable[[dict[str, Any]], bool], timeout_s: float = 30.0
    ) -> dict[str, Any]:
        """The slide's status, once `is_so` accepts it."""

        def look() -> dict[str, Any] | None:
            status = self.status(slide_id)
            return status if is_so(status) else None

        return wait_for(look, timeout_s)

    def wait_until_ended(self, slide_id: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """The slide's status, once it is done, failed or cancelled."""
        ended = ("done", "failed", "cancelled")
        return self.wait_until(slide_id, lambda status: status["status"] in ended, timeout_s)

    def logged(self) -> str:
        """The log of server and worker."""
        return self.log.read_text()

    def _url(self) -> str | None:
        if self.process.poll() is not None:
            raise AssertionError(f"the server did not start:\n{self.logged()}")
        with self.log.open() as log:
            log.seek(self._log_size_at_start)
            for line in log:
                if line.startswith("{") and '"listening"' in line:
                    url: str = json.loads(line)["url"]
                    return url
        return None


def wait_for(look: Callable[[], T | None], timeout_s: float) -> T:
    """The result of `look`, once it is truthy."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        result = look()
        if result:
            return result
        time.sleep(POLL_S)
    raise AssertionError(f"not within {timeout_s} s")
