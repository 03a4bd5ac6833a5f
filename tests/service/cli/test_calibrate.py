"""`cytolibra calibrate` chooses nothing on fields that a network knows."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.bundle import load_detector, read_model
from models.errors import BundleError
from models.train import TrainOptions, run_training
from service.cli.main import app
from tests.models.small_training import make_config, write_fields


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


def test_an_ensemble_is_put_together_and_calibrated_on_what_it_never_saw(tmp_path: Path) -> None:
    data = write_fields(tmp_path / "data", num_fields=16)
    members = []
    for seed in (0, 1):
        options = TrainOptions("small", 1, "cpu", 1, 9)
        config = make_config(epochs=4, seed=seed)
        members.append(str(run_training(config, data, tmp_path / f"run{seed}", options)))
    held, new = tmp_path / "held", tmp_path / "new"
    run("ensemble", *members, "-o", str(held), "--name", "pair")
    command = ["calibrate", str(held), str(data), "-o", str(new), "--fold", "1", "--half"]
    said = run(*command, "--apply-to", str(held), "--name", "ready")
    model = read_model(new)
    assert model.name == "ready"
    assert model.calibration is not None
    assert model.training["calibrated_on_fold"] == 1
    assert 0 <= model.training["slides"]["auc"] <= 1
    assert (new / "reliability.png").read_bytes().startswith(b"\x89PNG")
    assert "research software" in said.lower()
    small, large = ((one / "weights.safetensors").stat().st_size for one in (new, held))
    assert small < 0.7 * large
    assert len(load_detector(str(new)).info.classes) == 2


def run(*command: str) -> str:
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    return done.output


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
