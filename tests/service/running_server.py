"""Starts, stops, kills and restarts a real server process on a free port.

Owns the process; what is asked of it is left to the tests.
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
    """A server on a data directory, started anew by `start` after `stop` or `kill`."""

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
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    def start(self, until: str = "/readyz") -> "RunningServer":
        """Starts it and waits until that address answers with 200."""
        self._seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        url = wait_for(self._url, START_TIMEOUT_S)
        self.client = httpx.Client(base_url=url, timeout=20.0)
        wait_for(lambda: self.client.get(until).status_code == 200, START_TIMEOUT_S)
        return self

    def stop(self, timeout_s: float = 15.0) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.end(timeout_s)

    def kill(self) -> None:
        """SIGKILL, which it cannot prepare for."""
        self.process.kill()
        self.end(5.0)

    def end(self, timeout_s: float) -> int:
        """Waits for its end; its exit status."""
        try:
            return self.process.wait(timeout_s)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.client.close()

    def worker_pid(self) -> int:
        """As the data directory has it."""
        return int((self.data / "worker.pid").read_text())

    def post(self, slide: Path, **query: str | float) -> httpx.Response:
        """The answer to this slide, sent as a form."""
        with slide.open("rb") as file:
            params = {"detector": "fake", **query}
            return self.client.post("/v1/slides", params=params, files={"file": file})

    def status(self, slide_id: str) -> dict[str, Any]:
        """How a slide stands."""
        answer = self.client.get(f"/v1/slides/{slide_id}").raise_for_status()
        status: dict[str, Any] = answer.json()
        return status

    def wait_until(
        self, slide_id: str, is_so: Callable[[dict[str, Any]], bool], timeout_s: float = 30.0
    ) -> dict[str, Any]:
        """The slide's status once it is as asked."""

        def look() -> dict[str, Any] | None:
            status = self.status(slide_id)
            return status if is_so(status) else None

        return wait_for(look, timeout_s)

    def wait_until_ended(self, slide_id: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """The slide's last status."""
        ended = ("done", "failed", "cancelled")
        return self.wait_until(slide_id, lambda status: status["status"] in ended, timeout_s)

    def logged(self) -> str:
        """All that server and worker logged."""
        return self.log.read_text()

    def _url(self) -> str | None:
        if self.process.poll() is not None:
            raise AssertionError(f"the server did not start:\n{self.logged()}")
        with self.log.open() as log:
            log.seek(self._seen)
            for line in log:
                if line.startswith("{") and '"listening"' in line:
                    url: str = json.loads(line)["url"]
                    return url
        return None


def wait_for(look: Callable[[], T | None], timeout_s: float) -> T:
    """What `look` gives, once it gives something."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        result = look()
        if result:
            return result
        time.sleep(POLL_S)
    raise AssertionError(f"not within {timeout_s} s")
