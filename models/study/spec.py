"""A study, read from TOML: which configurations are trained, on which folds, with which seeds.

A study has axes (detector, loss, ...); every combination of options is a cell, which is
trained once per (fold, seed).
"""

import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import ConfigError, name_first_error
from models.training.config import TrainConfig, find_config, read_config

STUDIES_DIR = Path(__file__).parent / "studies"

#: Largest number of pairs for the exact test of the tables.
MAX_REPEATS = 16


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Option(_Section):
    """A choice of an axis: another configuration, or changes to it by dotted key."""

    name: str = Field(min_length=1)
    config: str | None = None
    set: dict[str, Any] = {}


class Axis(_Section):
    """A setting that is varied."""

    name: str = Field(min_length=1)
    options: tuple[Option, ...] = Field(min_length=1)


class Repeat(_Section):
    """A training of every cell, measured on `fold`; `unused_folds` are left out."""

    fold: int = Field(ge=0)
    seed: int = Field(ge=0)
    unused_folds: tuple[int, ...] = ()


class Override(_Section):
    """Changes for the cells that have all of these options."""

    when: dict[str, str]
    set: dict[str, Any]


class Published(_Section):
    """What a paper reports for the cells that have all of these options, on its own data."""

    when: dict[str, str]
    map50: float = Field(ge=0, le=1)


class StudySpec(_Section):
    """A whole study file.

    Attributes:
        title: a line.
        config: of every cell whose options name none.
        baseline: option of the last axis that its other options are tested against.
        repeats: folds and seeds.
        set: changes to every cell, before those of its options.
        axes: in the order of the tables' columns.
        overrides: changes for some cells, after those of their options.
        skip: cells that are left out: each entry names options, by axis.
        published: figures of a paper, shown beside the measured ones.
        published_note: what they were measured with.
    """

    title: str
    config: str | None = None
    baseline: str | None = None
    repeats: tuple[Repeat, ...] = Field(min_length=1, max_length=MAX_REPEATS)
    set: dict[str, Any] = {}
    axes: tuple[Axis, ...] = Field(min_length=1)
    overrides: tuple[Override, ...] = ()
    skip: tuple[dict[str, str], ...] = ()
    published: tuple[Published, ...] = ()
    published_note: str = ""

    @model_validator(mode="after")
    def _names_are_known(self) -> "StudySpec":
        options = {axis.name: {option.name for option in axis.options} for axis in self.axes}
        when = [override.when for override in self.overrides]
        when += [published.when for published in self.published]
        for choice in (*when, *self.skip):
            for axis, name in choice.items():
                if name not in options.get(axis, ()):
                    raise ValueError(f"{axis} = {name!r} is no option of this study")
        if self.baseline is not None and self.baseline not in options[self.axes[-1].name]:
            raise ValueError(f"baseline {self.baseline!r} is no option of {self.axes[-1].name!r}")
        return self


@dataclass(frozen=True)
class Run:
    """A training of a cell.

    Attributes:
        id: file name of its result, from its options, fold and seed.
        options: option by axis.
        fold: held out and measured on.
        seed: of the run.
        unused_folds: neither learned from nor measured on.
        config: complete.
        config_name: of the file it came from.
    """

    id: str
    options: dict[str, str]
    fold: int
    seed: int
    unused_folds: tuple[int, ...]
    config: TrainConfig
    config_name: str

    @property
    def digest(self) -> str:
        """Hash of all that decides the result, besides the data and the code."""
        folds = [self.fold, *sorted(self.unused_folds)]
        config = self.config.model_dump(mode="json", exclude_defaults=True)
        content = [config, folds, self.seed]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def find_study(name_or_path: str) -> Path:
    """The file of a committed study (`losses`) or of a path.

    Raises:
        ConfigError: there is no such file; the message lists the committed names.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" and path.is_file():
        return path
    committed = STUDIES_DIR / f"{name_or_path}.toml"
    if committed.is_file():
        return committed
    known = ", ".join(sorted(file.stem for file in STUDIES_DIR.glob("*.toml")))
    raise ConfigError(
        f"no study {name_or_path!r}: give a .toml file or one of the committed ones: {known}"
    )


def read_study(path: Path) -> StudySpec:
    """The study in a TOML file.

    Raises:
        ConfigError: the file is not TOML, lacks a value, or holds a wrong or an unknown one.
    """
    try:
        return StudySpec.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {name_first_error(error)}") from error


def list_runs(study: StudySpec) -> list[Run]:
    """Every run of a study: all cells with the first fold and seed, then with the next.

    So that an interrupted study has every cell measured equally often.

    Raises:
        ConfigError: a configuration is missing, a change does not fit it, or two runs would write
            one file.
    """
    runs = [_make_run(study, cell, repeat) for repeat in study.repeats for cell in _cells(study)]
    for run_id, times in Counter(run.id for run in runs).items():
        if times > 1:
            raise ConfigError(
                f"{times} runs of {study.title!r} would be called {run_id}: give options names "
                "that differ in Latin letters or digits, and each fold and seed once"
            )
    return runs


def change_config(config: TrainConfig, changes: dict[str, Any]) -> TrainConfig:
    """The configuration with other values, by dotted key: `{"train.epochs": 20}`.

    Raises:
        ConfigError: a section does not exist, or a value is not allowed there.
    """
    content = config.model_dump(mode="json")
    for key, value in changes.items():
        *sections, last = key.split(".")
        place: Any = content
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise ConfigError(f"set {key!r}: the configuration has no {'.'.join(sections)!r}")
        place[last] = value
    try:
        return TrainConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"set {name_first_error(error)}") from error


def _cells(study: StudySpec) -> Iterator[tuple[Option, ...]]:
    for cell in product(*(axis.options for axis in study.axes)):
        if not any(_has_options(study, cell, left_out) for left_out in study.skip):
            yield cell


def _has_options(study: StudySpec, cell: tuple[Option, ...], required: dict[str, str]) -> bool:
    chosen = {axis.name: option.name for axis, option in zip(study.axes, cell, strict=True)}
    return all(chosen[axis] == name for axis, name in required.items())


def _make_run(study: StudySpec, cell: tuple[Option, ...], repeat: Repeat) -> Run:
    name = next((option.config for option in cell if option.config), study.config)
    if name is None:
        raise ConfigError(f"{study.title}: neither the study nor an option names a config")
    changes = dict(study.set)
    for option in cell:
        changes |= option.set
    for override in study.overrides:
        if _has_options(study, cell, override.when):
            changes |= override.set
    changes |= {"train.seed": repeat.seed}
    options = {axis.name: option.name for axis, option in zip(study.axes, cell, strict=True)}
    parts = [re.sub(r"[^a-z0-9.]+", "-", option.name.lower()).strip("-") for option in cell]
    return Run(
        id="--".join([*parts, f"fold{repeat.fold}", f"seed{repeat.seed}"]),
        options=options,
        fold=repeat.fold,
        seed=repeat.seed,
        unused_folds=repeat.unused_folds,
        config=change_config(read_config(find_config(name)), changes),
        config_name=name,
    )
