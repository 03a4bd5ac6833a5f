"""A study file becomes the runs that it means, and says what is wrong with it."""

from pathlib import Path
from typing import Any

import pytest

from models.errors import ConfigError
from models.study.spec import (
    STUDIES_DIR,
    StudySpec,
    change_config,
    find_study,
    list_runs,
    read_study,
)
from models.training.config import CONFIGS_DIR, find_config, read_config


def make_study(**changes: Any) -> StudySpec:
    content: dict[str, Any] = {
        "title": "t",
        "config": "fcos_lite0",
        "repeats": [{"fold": 0, "seed": 0}, {"fold": 3, "seed": 2}],
        "set": {"train.epochs": 7},
        "axes": [
            {
                "name": "detector",
                "options": [{"name": "FCOS"}, {"name": "YOLOF", "config": "yolof_lite0"}],
            },
            {
                "name": "loss",
                "options": [
                    {"name": "CE", "set": {"train.lr": 0.5}},
                    {"name": "α 0.8 / 0.8", "set": {"network.bbox_head.loss_cls": {"type": "X"}}},
                ],
            },
        ],
    }
    return StudySpec.model_validate(content | changes)


def test_every_cell_is_run_once_a_repeat_and_repeats_come_one_after_the_other() -> None:
    runs = list_runs(make_study())
    assert [run.id for run in runs[:4]] == [
        "fcos--ce--fold0--seed0",
        "fcos--0.8-0.8--fold0--seed0",
        "yolof--ce--fold0--seed0",
        "yolof--0.8-0.8--fold0--seed0",
    ]
    assert [(run.fold, run.seed) for run in runs] == [(0, 0)] * 4 + [(3, 2)] * 4
    assert len({run.id for run in runs}) == len({run.digest for run in runs}) == 8


def test_changes_are_those_of_the_study_then_the_option_then_the_override() -> None:
    override = {"when": {"detector": "YOLOF", "loss": "CE"}, "set": {"train.epochs": 9}}
    runs = {run.id: run for run in list_runs(make_study(overrides=[override]))}
    changed = runs["yolof--ce--fold3--seed2"]
    assert changed.config.network["type"] == "YOLOF"
    assert (changed.config.train.epochs, changed.config.train.lr) == (9, 0.5)
    assert changed.config.train.seed == 2
    changed = runs["fcos--0.8-0.8--fold0--seed0"]
    assert changed.config.train.epochs == 7
    assert changed.config.network["bbox_head"]["loss_cls"] == {"type": "X"}


def test_runs_that_would_share_a_file_are_refused() -> None:
    twice = [{"fold": 0, "seed": 0}] * 2
    with pytest.raises(ConfigError, match=r"2 runs .* would be called"):
        list_runs(make_study(repeats=twice))
    same = {"name": "loss", "options": [{"name": "α 1"}, {"name": "μ 1"}]}
    with pytest.raises(ConfigError, match="would be called 1--"):
        list_runs(make_study(axes=[same], baseline=None, overrides=[], config="fcos_lite0"))


def test_cells_can_be_left_out() -> None:
    runs = list_runs(make_study(skip=[{"detector": "YOLOF"}]))
    assert {run.options["detector"] for run in runs} == {"FCOS"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"skip": [{"detector": "ATSS"}]}, "detector = 'ATSS' is no option"),
        ({"baseline": "focal"}, "baseline 'focal' is no option of 'loss'"),
        ({"repeats": []}, "repeats"),
        ({"repeats": [{"fold": 0, "seed": seed} for seed in range(17)]}, "repeats"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_study(**changes)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("trian.epochs", 3, "no 'trian'"),
        ("train.epochs", -3, r"train\.epochs"),
        ("train.epoch", 3, r"train\.epoch"),
    ],
)
def test_a_change_that_does_not_fit_is_named(key: str, value: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        change_config(read_config(find_config("fcos_lite0")), {key: value})


def test_a_study_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no study 'nothing'"):
        find_study("nothing")
    (tmp_path / "broken.toml").write_text("title = ")
    with pytest.raises(ConfigError, match=r"broken\.toml cannot be read as TOML"):
        read_study(tmp_path / "broken.toml")
    (tmp_path / "empty.toml").write_text('title = "t"')
    with pytest.raises(ConfigError, match=r"empty\.toml: repeats"):
        read_study(tmp_path / "empty.toml")


@pytest.mark.parametrize("path", sorted(STUDIES_DIR.glob("*.toml")), ids=lambda path: path.stem)
def test_every_committed_study_can_be_run(path: Path) -> None:
    assert find_study(path.stem) == path
    study = read_study(path)
    runs = list_runs(study)
    assert len({run.id for run in runs}) == len(runs)
    assert all((CONFIGS_DIR / f"{run.config_name}.toml").exists() for run in runs)
