"""`cytolibra serve` and `work`: start, stop, and refuse in one line."""

import subprocess
import sys
from pathlib import Path

from tests.service.running_server import ROOT, RunningServer

CYTOLIBRA = (sys.executable, "-m", "service.cli.main")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CYTOLIBRA, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30
    )


def assert_refused(result: subprocess.CompletedProcess[str], words: str) -> None:
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("cytolibra: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


def test_server_starts_refuses_a_second_and_stops(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    server.command = (*CYTOLIBRA, "serve", "--port", "0", "--data", str(server.data))
    server.start()
    try:
        assert server.worker_pid() != server.process.pid
        assert_refused(run("serve", "--data", str(server.data)), "a server is already running")
        assert_refused(run("work", "--data", str(server.data)), "a worker is already running")
        port = str(server.client.base_url.port)
        other = str(tmp_path / "other")
        assert_refused(run("serve", "--port", port, "--data", other), "Address already in use")
    finally:
        assert server.stop() == 0
    assert not (server.data / "worker.pid").exists()


def test_wrong_setting_is_refused(tmp_path: Path) -> None:
    assert_refused(run("serve", "--port", "99999", "--data", str(tmp_path)), "port = 99999")


def test_data_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_refused(run("serve", "--data", str(tmp_path / "file")), "data directory")
