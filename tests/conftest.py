"""Tests that need a program from outside say so: `@pytest.mark.program("chromium")`.

Where it is absent they are skipped with the reason; where `CYTOLIBRA_REQUIRE_PROGRAMS` is set, as
`.ci/run` does, such a test fails instead of being skipped, for whatever reason.
"""

import os
import shutil
from collections.abc import Generator

import pytest

REQUIRE_PROGRAMS = "CYTOLIBRA_REQUIRE_PROGRAMS"


def pytest_runtest_setup(item: pytest.Item) -> None:
    absent = [name for name in needed_programs(item) if shutil.which(name) is None]
    if absent:
        pytest.skip(f"needs {', '.join(absent)}, which is not on PATH")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    programs = needed_programs(item)
    if report.skipped and programs and os.environ.get(REQUIRE_PROGRAMS):
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} was skipped, but {REQUIRE_PROGRAMS} is set: install "
            f"{', '.join(programs)} ({report.longrepr})"
        )
    return report


def needed_programs(item: pytest.Item) -> list[str]:
    """Names of the programs that a test is marked with."""
    return [str(name) for marker in item.iter_markers("program") for name in marker.args]
