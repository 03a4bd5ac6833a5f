"""`cytolibra calibrate` chooses nothing on fields that a network knows."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

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
