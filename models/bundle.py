"""Detector bundles: a folder with weights.safetensors, model.json and card.md, read and written.

Reading what a detector is needs no torch; only `load_detector` builds the network.
"""

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.classes import CellClass
from models.detector import Detector, DetectorInfo, InputSpec, SlideScoreModel
from models.errors import BundleError, UnknownDetectorError

if TYPE_CHECKING:
    from torch import Tensor, nn

ZOO_DIR = Path(__file__).parent / "zoo"
MODEL_FILE, WEIGHTS_FILE, CARD_FILE = "model.json", "weights.safetensors", "card.md"
MAX_MODEL_BYTES = 1 << 20
MAX_WEIGHTS_BYTES = 2 << 30
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Byte = Annotated[int, Field(ge=0, le=255)]
Engine = Literal["auto", "torch", "openvino"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClassModel(_Part):
    """One class; see `models.classes.CellClass`."""

    name: str = Field(min_length=1, max_length=100)
    color: tuple[Byte, Byte, Byte]
    severity: int = Field(ge=0)


class InputModel(_Part):
    """The tiles it wants, and how their pixels are normalised; see `InputSpec`."""

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


class SlideScoreCoefficients(_Part):
    """Coefficients of the slide score; see `models.detector.SlideScoreModel`."""

    class_weights: tuple[Annotated[float, Field(ge=0)], ...]
    prior_abnormal: Positive
    prior_total: Positive
    intercept: float
    slope: Positive
    category_min_count: int = Field(ge=1)
    category_min_fractions: tuple[Fraction, ...]


class CalibrationModel(_Part):
    """From the network's scores to probabilities; see `models.calibration.Calibration`."""

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
    slide_score: SlideScoreCoefficients
    network: dict[str, Any]
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    training: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one_entry_per_class(self) -> "BundleModel":
        fitted = self.calibration
        for name, values in (
            ("score_thresholds", self.score_thresholds),
            ("calibration.slopes", fitted.slopes if fitted else self.classes),
            ("calibration.offsets", fitted.offsets if fitted else self.classes),
            ("slide_score.class_weights", self.slide_score.class_weights),
            (
                "slide_score.category_min_fractions",
                self.slide_score.category_min_fractions,
            ),
        ):
            if len(values) != len(self.classes):
                raise ValueError(
                    f"{name} has {len(values)} entries for {len(self.classes)} classes"
                )
        if len({one.name for one in self.classes}) != len(self.classes):
            raise ValueError("class names are not unique")
        return self

    def digest(self) -> str:
        """ "sha256:" and 64 hex digits over this file's content, which holds the weights' own."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()

    def info(self, engine: str) -> DetectorInfo:
        """The same as the product knows it."""
        spec = self.input
        return DetectorInfo(
            name=self.name,
            digest=self.digest(),
            engine=engine,
            classes=tuple(CellClass(one.name, one.color, one.severity) for one in self.classes),
            input=InputSpec(spec.mpp, spec.tile_size_px, spec.overlap_px),
            score_thresholds=self.score_thresholds,
            merge_iou=self.merge_iou,
            slide_score=SlideScoreModel(**self.slide_score.model_dump()),
        )


def find_bundle(name_or_path: str, extra_dir: Path | None = None) -> Path:
    """The folder of a shipped detector, of one in `extra_dir`, or of a path to a bundle.

    Raises:
        UnknownDetectorError: there is none; lists the known names.
    """
    if NAME.fullmatch(name_or_path):
        for folder in (ZOO_DIR, extra_dir):
            if folder is not None and (folder / name_or_path / MODEL_FILE).is_file():
                return folder / name_or_path
    path = Path(name_or_path)
    if path.is_dir() and (path / MODEL_FILE).exists():
        return path
    known = ", ".join(sorted(_names(extra_dir))) or "none"
    raise UnknownDetectorError(
        f"no detector {name_or_path!r}: known are {known}; or give the folder of a bundle"
    )


def read_info(name_or_path: str, extra_dir: Path | None = None) -> DetectorInfo:
    """What a detector is, without building it; its engine is "auto".

    Raises:
        UnknownDetectorError: there is none of this name.
        BundleError: its model.json is missing, unreadable or wrong.
    """
    return read_model(find_bundle(name_or_path, extra_dir)).info("auto")


def list_detectors(extra_dir: Path | None = None) -> list[DetectorInfo]:
    """All shipped detectors and those in `extra_dir`, by name.

    Raises:
        BundleError: one of them is broken; names it.
    """
    return [read_info(name, extra_dir) for name in sorted(_names(extra_dir))]


def load_detector(
    name_or_path: str,
    *,
    engine: Engine = "auto",
    device: str = "auto",
    min_score: float | None = None,
    extra_dir: Path | None = None,
) -> Detector:
    """A detector ready to run.

    Args:
        name_or_path: a shipped name, one in `extra_dir`, or a bundle's folder.
        engine: "openvino" is the faster one on a CPU, "torch" the reference and the one for GPUs;
            "auto" picks by device.
        device: "auto", "cpu" or "cuda".
        min_score: instead of the shipped thresholds, for measuring.
        extra_dir: where a site keeps its own bundles.

    Raises:
        UnknownDetectorError: there is none of this name.
        BundleError: the bundle is broken, not allowed, or its weights do not fit.
    """
    from models.engines.choice import make_detector

    folder = find_bundle(name_or_path, extra_dir)
    model = read_model(folder)
    network = load_network(folder, model)
    return make_detector(model, network, engine, device, min_score)


def load_network(folder: Path, model: BundleModel) -> "nn.Module":
    """A bundle's network with its weights, on the CPU, in evaluation mode.

    Raises:
        BundleError: the weights are missing, damaged, of another network or not finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from models.network import build_network

    path = folder / WEIGHTS_FILE
    try:
        if path.stat().st_size > MAX_WEIGHTS_BYTES:
            raise BundleError(f"{path} is larger than {MAX_WEIGHTS_BYTES} bytes")
        if _sha256(path) != model.weights_sha256:
            raise BundleError(
                f"{path} is not the file that {MODEL_FILE} names (sha256 differs): "
                "copy the bundle again"
            )
        weights = load_file(path)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    except SafetensorError as error:
        raise BundleError(f"{path} is not a safetensors file: {error}") from error
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not math.isfinite(float(tensor.float().sum())):
            raise BundleError(f"{path}: {name} holds values that are not finite")
    network = build_network(model.network)
    versioned = OrderedDict(weights)
    # safetensors keeps no versions of modules, and without its own an anchor-free head of mmdet
    # takes the weights for old ones and moves `loss_cls.*` to `conv_cls.*`.
    versioned._metadata = network.state_dict()._metadata  # type: ignore[attr-defined]
    try:
        network.load_state_dict(versioned)
    except RuntimeError as error:
        raise BundleError(f"{path} does not fit the network of {MODEL_FILE}: {error}") from error
    return network.eval()


def read_model(folder: Path) -> BundleModel:
    """A bundle's model.json, checked.

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
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "content"
        raise BundleError(f"{path}: {place}: {first['msg']}") from error


def write_bundle(
    folder: Path,
    model: dict[str, Any],
    weights: dict[str, "Tensor"],
    card: str,
    pictures: Mapping[str, bytes] | None = None,
    half: bool = False,
) -> BundleModel:
    """Writes a bundle whole or not at all, replacing the bundle that is there.

    Args:
        folder: of the bundle.
        model: fields of `BundleModel` without `weights_sha256`.
        weights: by parameter name.
        card: Markdown: data and its citation, split, seed, command, metrics, limits.
        pictures: files that the card shows, by name.
        half: store kernels in float16, which halves the file; they are float32 again when loaded.

    Raises:
        BundleError: a value is wrong, the folder cannot be written, or it holds other things.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file
    from torch import contiguous_format

    check_replaceable(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
    except OSError as error:
        raise BundleError(f"bundle {folder} cannot be written: {error}") from error
    try:
        # Copies, for heads that share weights between levels have one tensor under many names,
        # which safetensors does not write.
        tensors = {
            name: _halve(tensor.detach().cpu(), half).clone(memory_format=contiguous_format)
            for name, tensor in weights.items()
        }
        save_file(tensors, part / WEIGHTS_FILE)
        checked = BundleModel(**model, weights_sha256=_sha256(part / WEIGHTS_FILE))
        (part / MODEL_FILE).write_text(checked.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (part / CARD_FILE).write_text(card, encoding="utf-8")
        for name, content in (pictures or {}).items():
            (part / name).write_bytes(content)
        # mkdtemp and safetensors make private files; a bundle is there to be read.
        part.chmod(0o755)
        for file in part.iterdir():
            file.chmod(0o644)
        _put_in_place(part, folder)
    except ValidationError as error:
        raise BundleError(f"bundle {folder} would not be valid: {error}") from error
    except (OSError, SafetensorError) as error:
        raise BundleError(f"bundle {folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return checked


def check_replaceable(folder: Path) -> None:
    """Refuses to replace what is no bundle: everything in it would be lost.

    Raises:
        BundleError: the path is a file, or a folder that holds more than a bundle's files.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise BundleError(f"{folder} is a file: name a folder for the bundle")
    held = sorted(one.name for one in folder.iterdir())
    known = {MODEL_FILE, WEIGHTS_FILE, CARD_FILE}
    other = [name for name in held if name not in known and not name.endswith(".png")]
    if other or (held and MODEL_FILE not in held):
        raise BundleError(
            f"{folder} is no bundle, it holds {', '.join((other or held)[:3])}: name another "
            "folder, for a bundle replaces all that is there"
        )


def _halve(tensor: "Tensor", half: bool) -> "Tensor":
    """A kernel in float16 if asked for; norms, biases and what does not fit stay as they are."""
    if not half or tensor.ndim < 2 or not tensor.is_floating_point():
        return tensor
    short = tensor.half()
    return short if bool(short.isfinite().all()) else tensor


def _put_in_place(part: Path, folder: Path) -> None:
    """Moves `part` to `folder`; what was there is only deleted once the new one stands."""
    old = part.with_name(part.name + ".old")
    if folder.exists():
        os.replace(folder, old)
    try:
        os.replace(part, folder)
    except OSError:
        if old.exists():
            os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _names(extra_dir: Path | None) -> set[str]:
    folders = [folder for folder in (ZOO_DIR, extra_dir) if folder is not None and folder.is_dir()]
    return {
        path.parent.name
        for folder in folders
        for path in folder.glob(f"*/{MODEL_FILE}")
        if NAME.fullmatch(path.parent.name)
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
