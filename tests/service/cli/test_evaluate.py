"""`cytolibra evaluate` says so where a detector is judged on what it learned from."""

from pathlib import Path

from typer.testing import CliRunner

from models.training.run import TrainOptions, run_training
from service.cli.main import app
from tests.models.small_training import make_config, write_fields


def test_fields_that_a_detector_learned_from_are_named(tmp_path: Path) -> None:
    data = write_fields(tmp_path / "data")
    options = TrainOptions("small", 0, "cpu", 1, 9)
    bundle = run_training(make_config(epochs=1), data, tmp_path / "run", options)
    command = ["evaluate", str(data), "--detector", str(bundle), "--fold"]
    known, unseen = (CliRunner().invoke(app, [*command, fold]) for fold in ("1", "0"))
    assert known.exit_code == unseen.exit_code == 0
    assert "small learned from these fields" in known.stderr
    assert "learned from" not in unseen.stderr
