"""model.json of a detector's bundle: everything besides the weights, and its validation."""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.bundle.files import MODEL_FILE
from models.classes import CellClass
from models.detector import DetectorInfo, InputSpec, SevereTerm, SlideScoreModel
from models.errors import BundleError, name_first_error

MAX_MODEL_BYTES = 1 << 20
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Byte = Annotated[int, Field(ge=0, le=255)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClassModel(_Part):
    """A class of cell; see `models.classes.CellClass`."""

    name: str = Field(min_length=1, max_length=100)
    color: tuple[Byte, Byte, Byte]
    severity: int = Field(ge=0)


class InputModel(_Part):
    """Tiles that the network takes, and how their pixels are normalised; see `InputSpec`."""

    mpp: float = Field(gt=0, le=20)
    tile_size_px: int = Field(ge=128, le=4096, multiple_of=32)
    overlap_px: int = Field(ge=0)
    mean_rgb: tuple[float, float, float]
    std_rgb: tuple[Positive, Positive, Positive]

    @model_validator(mode="after")
    def _overlap_leaves_a_core(self) -> "InputModel":
        if self.overlap_px > self.tile_size_px // 2:
            raise ValueError("overlap_px is more than half of tile_size_px")
        return self


class SevereCoefficients(_Part):
    """Coefficients of the slide score's second term; see `models.detector.SevereTerm`."""

    class_weights: tuple[Annotated[float, Field(ge=0)], ...]
    certainty_power: float = Field(ge=0, le=100)
    prior_total: Positive
    intercept: float
    slope: Positive


class SlideScoreCoefficients(_Part):
    """Coefficients of the slide score; see `models.detector.SlideScoreModel`."""

    class_weights: tuple[Annotated[float, Field(ge=0)], ...]
    prior_abnormal: Positive
    prior_total: Positive
    intercept: float
    slope: Positive
    category_min_count: int = Field(ge=1)
    category_min_fractions: tuple[Fraction, ...]
    #: Both are left out where there is none, so that digests of bundles that were written before
    #: them hold.
    certainty_power: float = Field(default=0.0, ge=0, le=100, exclude_if=lambda value: value == 0)
    severe: SevereCoefficients | None = Field(default=None, exclude_if=lambda value: value is None)

    def model(self) -> SlideScoreModel:
        """The same as the product knows it."""
        severe = None if self.severe is None else SevereTerm(**self.severe.model_dump())
        return SlideScoreModel(**self.model_dump(exclude={"severe"}), severe=severe)


class CalibrationModel(_Part):
    """From the network's scores to probabilities: `models.calibrate.probability.Calibration`."""

    slopes: tuple[Positive, ...]
    offsets: tuple[float, ...]


class BundleModel(_Part):
    """model.json: everything of a detector besides its weights."""

    format: Literal["cytolibra-detector-1"] = "cytolibra-detector-1"
    name: str = Field(pattern=f"^{NAME.pattern}$", max_length=100)
    classes: tuple[ClassModel, ...] = Field(min_length=1, max_length=1000)
    input: InputModel
    calibration: CalibrationModel | None = None
    score_thresholds: tuple[Fraction, ...]
    merge_iou: Fraction
    rival_power: float = Field(default=0.0, ge=0, le=100)
    #: Left out of model.json at 0, so that digests of bundles written before it existed still hold.
    side_support: Fraction = Field(default=0.0, exclude_if=lambda value: value == 0)
    slide_score: SlideScoreCoefficients
    network: dict[str, Any]
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    training: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one_entry_per_class(self) -> "BundleModel":
        calibration, severe = self.calibration, self.slide_score.severe
        for name, values in (
            ("score_thresholds", self.score_thresholds),
            ("calibration.slopes", calibration.slopes if calibration else self.classes),
            ("calibration.offsets", calibration.offsets if calibration else self.classes),
            ("slide_score.class_weights", self.slide_score.class_weights),
            (
                "slide_score.severe.class_weights",
                severe.class_weights if severe else self.classes,
            ),
            (
                "slide_score.category_min_fractions",
                self.slide_score.category_min_fractions,
            ),
        ):
            if len(values) != len(self.classes):
                raise ValueError(
                    f"{name} has {len(values)} entries for {len(self.classes)} classes"
                )
        if len({cell_class.name for cell_class in self.classes}) != len(self.classes):
            raise ValueError("class names are not unique")
        return self

    def digest(self) -> str:
        """ "sha256:" and 64 hex digits over the content, which includes the weights' hash."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()

    def info(self, engine: str) -> DetectorInfo:
        """The description as the rest of the product uses it, with the name of the engine."""
        spec = self.input
        return DetectorInfo(
            name=self.name,
            digest=self.digest(),
            engine=engine,
            classes=tuple(
                CellClass(cell_class.name, cell_class.color, cell_class.severity)
                for cell_class in self.classes
            ),
            input=InputSpec(spec.mpp, spec.tile_size_px, spec.overlap_px),
            score_thresholds=self.score_thresholds,
            merge_iou=self.merge_iou,
            slide_score=self.slide_score.model(),
        )


def read_model(folder: Path) -> BundleModel:
    """A bundle's model.json, validated.

    Raises:
        BundleError: it is missing, too large, not JSON, or holds a wrong value; names it.
    """
    path = folder / MODEL_FILE
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise BundleError(f"{path} is larger than {MAX_MODEL_BYTES} bytes: not a model.json")
        return BundleModel.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise BundleError(f"{path}: {name_first_error(error)}") from error
