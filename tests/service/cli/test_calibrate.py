"""`cytolibra calibrate` chooses nothing on fields that a network knows."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.bundle.description import read_model
from models.bundle.load import load_detector
from models.errors import BundleError
from models.training.run import TrainOptions, run_training
from service.cli.main import app
from tests.models.small_training import make_config, write_fields
from tests.service.cli.quick_fit import make_quick


@pytest.mark.parametrize("fold", [None, 0])
def test_a_bundle_that_learned_from_the_fold_is_refused(fold: int | None, tmp_path: Path) -> None:
    data = write_fields(tmp_path / "data")
    options = TrainOptions("small", fold, "cpu", 1, 9)
    bundle = run_training(make_config(epochs=1), data, tmp_path / "run", options)
    command = ["calibrate", str(bundle), str(data), "-o", str(tmp_path / "new"), "--fold", "1"]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, BundleError)
    assert "was not trained without fold 1" in str(done.exception)
    assert not (tmp_path / "new").exists()


def test_what_is_chosen_without_a_fold_is_put_to_the_weights_of_all_fields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_quick(monkeypatch)
    data = write_fields(tmp_path / "data", num_fields=16, every_other_negative=True)
    held, every = (
        run_training(
            make_config(epochs=1),
            data,
            tmp_path / f"run{fold}",
            TrainOptions("small", fold, "cpu", 1, 9),
        )
        for fold in (0, None)
    )
    new = tmp_path / "new"
    command = ["calibrate", str(held), str(data), "-o", str(new), "--fold", "0"]
    command += ["--apply-to", str(every), "--name", "mine", "--side-support", "0.5"]
    command += ["--tile-size", "256"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0
    assert "trained on other fields" not in done.output
    model, trained = read_model(new), read_model(every)
    assert model.name == load_detector(str(new)).info.name == "mine"
    assert model.weights_sha256 == trained.weights_sha256 != read_model(held).weights_sha256
    assert model.training["measured_weights"] == read_model(held).weights_sha256
    assert model.side_support == 0.5
    assert model.input.tile_size_px == 256 != trained.input.tile_size_px
    assert model.calibration is not None
    assert model.slide_score != trained.slide_score
    assert len(model.training["slides"]["margins"]) == 2
    assert "## What a score is worth" in (new / "card.md").read_text()
    assert (new / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_other_fields_than_those_of_the_training_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_quick(monkeypatch)
    own = write_fields(tmp_path / "own")
    options = TrainOptions("small", 0, "cpu", 1, 9)
    bundle = run_training(make_config(epochs=1), own, tmp_path / "run", options)
    other = write_fields(tmp_path / "other", num_fields=16, every_other_negative=True)
    command = ["calibrate", str(bundle), str(other), "-o", str(tmp_path / "new"), "--fold", "0"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0
    assert "'small' was trained on other fields than these" in done.output


def test_a_tile_that_no_network_can_halve_is_refused_before_the_work(tmp_path: Path) -> None:
    data = write_fields(tmp_path / "data")
    options = TrainOptions("small", 0, "cpu", 1, 9)
    bundle = run_training(make_config(epochs=1), data, tmp_path / "run", options)
    command = ["calibrate", str(bundle), str(data), "-o", str(tmp_path / "new"), "--fold", "0"]
    done = CliRunner().invoke(app, [*command, "--tile-size", "500"])
    assert isinstance(done.exception, BundleError)
    assert "input.tile_size_px = 500: Input should be a multiple of 32" in str(done.exception)


@pytest.mark.parametrize("command", ["ensemble", "calibrate"])
def test_a_folder_with_other_things_is_refused_before_the_work(
    command: str, tmp_path: Path
) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    rest = ["fast", "fast"] if command == "ensemble" else ["fast", str(tmp_path), "--fold", "3"]
    done = CliRunner().invoke(app, [command, *rest, "-o", str(tmp_path / "runs")])
    assert isinstance(done.exception, BundleError)
    assert "is no bundle, it holds mine" in str(done.exception)
    assert (tmp_path / "runs" / "mine").is_dir()
