"""A test whose program is absent is skipped, or fails where programs are required."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent / "conftest.py"
ABSENT = """
import pytest

@pytest.mark.program("no-such-program-anywhere")
def test_with_it() -> None:
    raise AssertionError("must not run")
"""
SKIPS_ITSELF = """
import pytest

@pytest.mark.program("python3")
def test_with_it() -> None:
    pytest.skip("the server does not answer")
"""


def run_pytest(folder: Path, source: str, is_required: bool) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "test_it.py").write_text(source, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = program\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    environment.pop("CYTOLIBRA_REQUIRE_PROGRAMS", None)
    if is_required:
        environment["CYTOLIBRA_REQUIRE_PROGRAMS"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


def test_absent_program_skips_the_test_and_is_named(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, ABSENT, is_required=False)
    assert result.returncode == 0
    assert "needs no-such-program-anywhere" in result.stdout


@pytest.mark.parametrize("source", [ABSENT, SKIPS_ITSELF])
def test_required_program_turns_a_skip_into_a_failure(tmp_path: Path, source: str) -> None:
    result = run_pytest(tmp_path, source, is_required=True)
    assert result.returncode == 1
    assert "is set: install" in result.stdout
