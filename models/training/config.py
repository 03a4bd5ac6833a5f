"""A training configuration, read from TOML and checked before anything starts.

The files in `models/training/configs/` are complete: nothing is inherited.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.bundle.description import InputModel, SlideScoreCoefficients
from models.errors import ConfigError, name_first_error

CONFIGS_DIR = Path(__file__).parent / "configs"

Fraction = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainSection(_Section):
    """How long and how fast to learn, and on which mixture of fields.

    `denoise_epochs` come before the others and need no labels: see `models/training/denoising.py`.
    """

    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    crop_px: int = Field(ge=64)
    pretrained: bool
    denoise_epochs: int = Field(default=0, ge=0)
    lr: float = Field(gt=0)
    backbone_lr_factor: float = Field(gt=0, le=1)
    weight_decay: float = Field(ge=0)
    warmup_iterations: int = Field(ge=0)
    grad_clip_norm: float = Field(gt=0)
    ema_decay: float = Field(ge=0, lt=1)
    repeat_threshold: Fraction
    paste_fraction: Fraction
    phantom_fraction: float = Field(ge=0, lt=1)
    phantom_fields: int = Field(ge=0)
    histology_fields: int = Field(ge=0)
    seed: int = Field(ge=0)


class AugmentSection(_Section):
    """How far a training crop may be changed; see `models/data/augment.py`."""

    scale: tuple[float, float]
    rotate_degrees: float = Field(ge=0, le=180)
    brightness: Fraction
    contrast: Fraction
    stain: Fraction
    channel_shift: Fraction
    blur_sigma_px: float = Field(ge=0)
    noise_std: float = Field(ge=0)


class PostprocessSection(_Section):
    """Which detections are reported, and how detections of a cell are merged.

    The thresholds, by class, are for runs without a held-out fold; with a held-out fold they are
    chosen on it. `rival_power` and `side_support` combine the scores of a cell's detections; see
    `models/inference/joined_scores.py`.
    """

    score_thresholds: tuple[Fraction, ...] = Field(min_length=1)
    merge_iou: Fraction
    rival_power: float = Field(default=0.0, ge=0, le=100)
    side_support: Fraction = 0.0


class TrainConfig(_Section):
    """A configuration file."""

    input: InputModel
    train: TrainSection
    augment: AugmentSection
    postprocess: PostprocessSection
    slide_score: SlideScoreCoefficients
    network: dict[str, Any]

    @model_validator(mode="after")
    def _network_can_learn(self) -> "TrainConfig":
        parts = {
            "backbone": self.network.get("backbone"),
            "bbox_head": (head := self.network.get("bbox_head")),
            "bbox_head.loss_cls": head.get("loss_cls") if isinstance(head, dict) else None,
        }
        for name, part in parts.items():
            if not isinstance(part, dict):
                raise ValueError(f"network.{name} is missing or no table")
        return self

    def with_training(self, **changes: int | None) -> "TrainConfig":
        """The configuration with other values in `[train]`; None leaves a value unchanged.

        Raises:
            ConfigError: a value is out of range.
        """
        changed = {key: value for key, value in changes.items() if value is not None}
        try:
            section = TrainSection.model_validate(self.train.model_dump() | changed)
        except ValidationError as error:
            raise ConfigError(f"train.{name_first_error(error)}") from error
        return self.model_copy(update={"train": section})


def find_config(name_or_path: str) -> Path:
    """The file of a shipped configuration (`fcos_lite0`) or of a path.

    Raises:
        ConfigError: there is no such file; the message lists the shipped names.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" and path.is_file():
        return path
    shipped = CONFIGS_DIR / f"{name_or_path.replace('-', '_')}.toml"
    if shipped.is_file():
        return shipped
    known = ", ".join(sorted(file.stem for file in CONFIGS_DIR.glob("*.toml")))
    raise ConfigError(
        f"no configuration {name_or_path!r}: give a .toml file or one of the shipped ones: {known}"
    )


def read_config(path: Path) -> TrainConfig:
    """The configuration in a TOML file.

    Raises:
        ConfigError: the file is not TOML, lacks a value, or holds a wrong or an unknown one.
    """
    try:
        return TrainConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {name_first_error(error)}") from error
