"""`cytolibra study --only` chooses runs by their ids."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from models.study.spec import find_study, list_runs, read_study
from service.cli.main import app
from service.cli.study import _choose


def test_runs_are_chosen_in_the_order_asked_for_and_each_once() -> None:
    runs = list_runs(read_study(find_study("losses")))
    ids = [run.id for run in _choose(runs, ["yolof--grad-libra--fold0", "grad-libra--fold0"])]
    assert ids[0] == "yolof--grad-libra--fold0--seed0"
    assert len(ids) == len(set(ids)) == 4


def test_a_whole_id_chooses_that_run_alone() -> None:
    runs = list_runs(read_study(find_study("baselines")))
    assert [run.id for run in _choose(runs, ["focal--fold0--seed0"])] == ["focal--fold0--seed0"]
    assert len(_choose(runs, ["focal--fold0"])) == 2


def test_a_text_that_fits_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="grad-libre"):
        _choose(list_runs(read_study(find_study("losses"))), ["fold0", "grad-libre"])
    command = ["study", "losses", str(tmp_path), "-o", str(tmp_path / "out"), "--only", "nothing"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert not (tmp_path / "out" / "runs").exists()
