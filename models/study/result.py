"""The result of a run of a study: the content of its JSON file, written atomically."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.atomic_write import write_text_atomically
from models.errors import StudyError, name_first_error
from models.measure.metrics import Rates


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunFigures(_Part):
    """`models.measure.evaluate.Evaluation` as plain values, and the thresholds chosen for it.

    `ap50` has the classes that the held-out fold has cells of.
    """

    map50: float
    ap50: dict[str, float]
    any_cell_ap50: float | None
    abnormal_ap50: float | None
    by_centre_distance_10um: dict[str, Any]
    any_cell: Rates
    normal_vs_abnormal: Rates
    confusion_matrix: dict[str, Any]
    num_images: int
    num_cells: int
    score_thresholds: tuple[float, ...]


class RunHardware(_Part):
    """Hardware, software, date and duration of the training."""

    device: str
    threads: int
    train_s: float
    torch: str
    code_version: str
    finished: str


class RunResult(_Part):
    """Result of a run.

    Attributes:
        run: its id in the study.
        options: the study's axes, with the option that this run has of each.
        fold, seed: fold that it was measured on, seed that it was trained with.
        unused_folds: neither trained nor measured on.
        config, config_digest: name of the configuration before changes; digest after them.
        labels_sha256: of the fields.
        epochs: it was trained for.
        frequency_groups: "rare", "common" or "frequent" by class, on all fields.
        figures: on the held-out fold.
        precision_at_recall: at recall 0, 0.01, … 1, by class and for any cell.
        gradient_ratio_by_epoch: Σ|∇⁺| / Σ|∇⁻| since the beginning, by class.
        classifier_weight_norm: by class.
        num_parameters: of the network.
        hardware: where it was trained.
        adopted_from: "study/run" that trained it, if another study did.
    """

    run: str
    options: dict[str, str]
    fold: int
    seed: int
    unused_folds: tuple[int, ...]
    config: str
    config_digest: str
    labels_sha256: str
    epochs: int
    frequency_groups: dict[str, str]
    figures: RunFigures
    precision_at_recall: dict[str, list[float]]
    gradient_ratio_by_epoch: dict[str, list[float]]
    classifier_weight_norm: dict[str, float]
    num_parameters: int
    hardware: RunHardware
    adopted_from: str | None = Field(default=None, exclude_if=lambda value: value is None)


def load_result(path: Path) -> RunResult:
    """The result in a file.

    Raises:
        StudyError: it cannot be read, or is no result.
    """
    try:
        return RunResult.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise StudyError(
            f"{path} is no result of a run ({name_first_error(error)}): delete it"
        ) from error


def write_result(result: RunResult, path: Path) -> None:
    """Writes the file atomically.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps(result.model_dump(mode="json"), indent=1)
    write_text_atomically(path, content + "\n")
