"""`cytolibra ensemble` makes one detector of several, and says what it cannot join."""

from pathlib import Path

from typer.testing import CliRunner

from models.bundle.description import read_model
from models.bundle.load import load_detector
from models.errors import BundleError
from models.training.run import TrainOptions, run_training
from service.cli.main import app
from tests.models.small_training import make_config, write_fields


def test_two_networks_become_one_detector_that_remembers_both(tmp_path: Path) -> None:
    data = write_fields(tmp_path / "data")
    members = []
    for seed in (0, 1):
        options = TrainOptions(f"small{seed}", 1, "cpu", 1, 9)
        config = make_config(epochs=1, seed=seed)
        members.append(str(run_training(config, data, tmp_path / f"run{seed}", options)))
    pair = tmp_path / "pair"
    command = ["ensemble", *members, "-o", str(pair), "--name", "pair"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "calibrate" in done.output
    facts = read_model(pair).training["members"]
    assert [(one["seed"], one["fold_held_out"]) for one in facts] == [(0, 1), (1, 1)]
    assert len(load_detector(str(pair)).info.classes) == 2
    again = CliRunner().invoke(app, ["ensemble", members[0], "-o", str(tmp_path / "one")])
    assert isinstance(again.exception, BundleError)
    assert not (tmp_path / "one").exists()
