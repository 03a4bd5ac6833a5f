"""The command line as a shell sees it: exit status, one-line errors, files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.models.small_training import write_fields
from tests.service.pipeline.conftest import damage_tiles


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slide") / "small.svs"
    done = run("phantom", "-o", path, "--seed", 3, "--size", "2000x1600", "--cells", 40)
    assert done.returncode == 0, done.stderr
    return path


def test_help_is_quick_and_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("analyse", "serve", "work", "phantom", "tiles", "train", "evaluate", "detectors"):
        assert name in done.stdout
    imported = subprocess.run(
        [sys.executable, "-c", "import sys, service.cli.main; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert imported.stdout.strip() == "False"


def test_analyse_writes_report_annotations_and_picture(slide: Path, tmp_path: Path) -> None:
    done = run("analyse", slide, "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert json.loads(done.stdout) == report
    assert {"counts", "abnormality_score", "category", "adequacy", "provenance"} <= set(report)
    cells = json.loads((tmp_path / "out" / "annotations.geojson").read_text())["features"]
    assert len(cells) == sum(report["counts"].values())
    assert (tmp_path / "out" / "overlay.png").read_bytes().startswith(b"\x89PNG")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["annotations.geojson", "overlay.png", "report.json"]


def fails(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0, done.stderr
    assert done.stderr.startswith("cytolibra: ")
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("content", "word"), [(b"%PDF-1.7", "not a slide"), (b"", "empty"), (b"II*\0", "damaged")]
)
def test_a_wrong_file_is_one_line_and_leaves_nothing(
    tmp_path: Path, content: bytes, word: str
) -> None:
    path = tmp_path / "x.svs"
    path.write_bytes(content)
    fails(run("analyse", path, "-o", tmp_path / "out"), word)
    assert not (tmp_path / "out").exists()


def test_a_scale_that_no_scanner_has_is_one_line(slide: Path, tmp_path: Path) -> None:
    fails(run("analyse", slide, "-o", tmp_path / "out", "--mpp", "2.5"), "mpp=2.5", "0.06 to 2")
    assert not (tmp_path / "out").exists()


def test_a_slide_that_is_too_damaged_is_refused_by_the_limit(slide: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.svs"
    path.write_bytes(slide.read_bytes())
    damage_tiles(path, 0, 40)
    done = run("analyse", path, "-o", tmp_path / "out", "--max-unreadable", "0.05")
    assert done.returncode == 1
    assert "more than the limit of 5%" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_detector_lists_the_known(slide: Path, tmp_path: Path) -> None:
    fails(run("analyse", slide, "-o", tmp_path / "o", "--detector", "x"), "'x'", "default")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("phantom", "-o", tmp_path / "file" / "slide.svs")
    assert done.returncode == 1
    assert "cytolibra: " in done.stderr
    assert "slide.svs" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_status_two(tmp_path: Path) -> None:
    assert run("analyse").returncode == 2
    assert run("phantom", "-o", tmp_path / "x.svs", "--size", "big").returncode == 2
    assert run("nonsense").returncode == 2


def test_phantoms_of_unknown_classes_are_refused(tmp_path: Path) -> None:
    fails(run("phantom", "-o", tmp_path / "x.svs", "--mix", "AGC=1"), "AGC", "known are")
    assert list(tmp_path.iterdir()) == []


def test_detectors_lists_the_shipped_one() -> None:
    found: list[dict[str, Any]] = json.loads(run("detectors", "--json").stdout)
    assert "default" in [one["name"] for one in found]
    assert "default" in run("detectors").stdout


def test_evaluate_refuses_other_classes_and_missing_data(tmp_path: Path) -> None:
    fails(run("evaluate", write_fields(tmp_path / "two", 2)), "must agree")
    fails(run("evaluate", tmp_path / "none"), "does not exist")
