"""`cytolibra tiles`: from a slide that was labelled to a detector that serves."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.bundle.find import read_info
from models.data.coco import read_coco
from models.phantom import PhantomSpec, draw_phantom, read_truth
from models.training.config import TrainConfig
from service.cli.main import app
from service.errors import CytolibraError, DatasetError
from tests.models.small_training import make_config


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def succeed(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def fail(*arguments: object) -> CytolibraError:
    error = run(*arguments).exception
    assert isinstance(error, CytolibraError), repr(error)
    return error


def make_tiny_config() -> TrainConfig:
    """One epoch, and tiles large enough that a slide has few."""
    config = make_config(epochs=1)
    size = {"tile_size_px": 256, "overlap_px": 64}
    return config.model_copy(update={"input": config.input.model_copy(update=size)})


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slide") / "small.svs"
    spec = PhantomSpec(3, 700, 520, 20, {"NILM": 0.6, "HSIL": 0.4}, 0.5)
    draw_phantom(path, spec).rename(path.with_suffix(".geojson"))
    return path


def test_a_labelled_slide_becomes_a_detector_that_serves(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, run_dir = tmp_path / "data", tmp_path / "run"
    said = succeed("tiles", slide, "-o", data, "--size", 400, "--folds", 2, "--split-within-slides")
    truth, _ = read_truth(slide.with_suffix(".geojson"))
    fields = read_coco(data)
    assert fields.num_cells == len(truth)
    assert {field.mpp for field in fields.fields} == {0.5}
    assert fields.only_fold(0).num_cells + fields.without_fold(0).num_cells == len(truth)
    assert f"{len(fields.fields)} fields, {len(truth)} cells: NILM " in said
    assert "20.4 (" in said
    assert "fields/cells by fold: 0: " in said
    assert "split by stripe of each slide" in said

    monkeypatch.setattr("models.training.config.read_config", lambda path: make_tiny_config())
    monkeypatch.setattr("models.training.config.find_config", Path)
    said = succeed("train", "tiny", data, "-o", run_dir, "--device", "cpu")
    bundle = run_dir / "bundle"
    assert f"use it:   cytolibra analyse SLIDE -o OUT --detector {bundle}" in said
    assert [one.name for one in read_info(str(bundle)).classes] == ["NILM", "HSIL"]
    out = tmp_path / "out"
    succeed("analyse", slide, "-o", out, "--detector", bundle, "--engine", "torch")
    report = json.loads((out / "report.json").read_text())
    assert report["provenance"]["detector"]["name"] == "trained"


def test_options_reach_the_fields(slide: Path, tmp_path: Path) -> None:
    options = ("--mpp", 1.0, "--size", 128, "--classes", "high,normal", "--folds", 1)
    options += ("--map", "HSIL=high", "--map", "NILM = normal")
    said = succeed("tiles", slide, "-o", tmp_path / "out", *options)
    fields = read_coco(tmp_path / "out")
    assert [one.name for one in fields.classes] == ["high", "normal"]
    assert {(one.width, one.mpp, one.fold) for one in fields.fields} == {(128, 1.0, 0)}
    assert "severity (0 is negative; change it in annotations.json): high 0, normal 1" in said
    assert "split one fold for all" in said
    assert said.endswith("-o RUN_DIR\n")


def test_warnings_come_last(slide: Path, tmp_path: Path) -> None:
    said = succeed("tiles", slide, "-o", tmp_path / "out", "--size", 512, "--negatives", 99)
    assert "warning: small: only " in said


def test_domain_errors_pass_through_and_leave_nothing(slide: Path, tmp_path: Path) -> None:
    shutil.copy(slide, tmp_path / "b.svs")
    error = fail("tiles", tmp_path / "b.svs", "-o", tmp_path / "out")
    assert isinstance(error, DatasetError)
    assert "b.geojson does not exist: export" in str(error)
    error = fail("tiles", slide, "-o", tmp_path / "out", "--classes", "NILM")
    assert "--classes NILM" in str(error)
    (tmp_path / "file").touch()
    assert "is a file" in str(fail("tiles", slide, "-o", tmp_path / "file"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("other.svs", "--annotations", "a.geojson"),
        ("--roi", "Done", "--negatives", "3"),
        ("--origin", "moon"),
        ("--classes", "NILM,,HSIL"),
        ("--classes", "NILM,NILM"),
        ("--map", "NILM"),
        ("--map", "=NILM"),
        ("--size", "3"),
        ("--folds", "0"),
    ],
)
def test_wrong_usage_is_status_two(slide: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    assert run("tiles", slide, "-o", tmp_path / "out", *options).exit_code == 2
