"""Results are told apart by the version: it is the one that the changelog describes."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_version_is_that_of_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    top = re.search(r"^## (\S+?),", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert top is not None
    assert project["version"].removesuffix(".dev0") == top[1]
