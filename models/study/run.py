"""A run of a study: trains, measures on the held-out fold, writes the result as JSON."""

import importlib.metadata
import platform
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from models.classes import CellClass
from models.data.coco import FieldSet, read_coco
from models.errors import StudyError
from models.measure.metrics import FieldResult, precision_curves
from models.study.result import (
    RunFigures,
    RunHardware,
    RunResult,
    load_result,
    write_result,
)
from models.study.spec import Run
from models.training.progress import OnTrainProgress
from models.training.run import Learned, TrainOptions, learn
from models.training.validation import detect_held_out, measure
from models.training.weight_norms import classifier_weight_norms

#: Cells of a class in the whole data set: below the first it is rare, below the second common.
RARE_BELOW, COMMON_BELOW = 100, 1000


def finish_run(
    run: Run,
    data: Path,
    run_dir: Path,
    result_path: Path,
    device: str,
    on_progress: OnTrainProgress = lambda progress: None,
) -> RunResult:
    """Result of a run: trained and measured, or read if its file exists already.

    Args:
        run: of a study.
        data: folder with `images/` and COCO `annotations.json`.
        run_dir: for checkpoints; an interrupted run goes on from there, a finished one removes it.
        result_path: of the JSON file, written atomically.
        device: "auto", "cpu" or "cuda".
        on_progress: called after every iteration.

    Raises:
        StudyError: the file holds the result of another configuration, or on other data.
        DatasetError, TrainingError: see `models.training.run.learn`.
    """
    everything = read_coco(data)
    if (finished := read_result(run, result_path, everything)) is not None:
        return finished
    options = TrainOptions(
        name=run.id,
        fold=run.fold,
        device=device,
        num_workers=1,
        validate_every_epochs=run.config.train.epochs + 1,
        unused_folds=run.unused_folds,
    )
    learned = learn(run.config, everything, run_dir, options, on_progress)
    result = _describe(run, everything, learned, device)
    write_result(result, result_path)
    shutil.rmtree(run_dir)
    return result


def adopt_result(
    run: Run, result_path: Path, finished: dict[str, RunResult], fields: FieldSet
) -> bool:
    """Takes over the result of an identical training in another study, if there is one.

    Args:
        run: without a result of its own.
        result_path: of its JSON file.
        finished: results of other studies by configuration digest, each with its `adopted_from`.
        fields: of this study; the other training must have used the same.

    Returns:
        Whether there was such a result; its `adopted_from` then names the study and run that
        trained.
    """
    result = finished.get(run.digest)
    if result is None or result.labels_sha256 != fields.digest():
        return False
    adopted = result.model_copy(update={"run": run.id, "options": run.options})
    write_result(adopted, result_path)
    return True


def read_result(run: Run, path: Path, fields: FieldSet | None = None) -> RunResult | None:
    """The result of a run, or None where it is not finished.

    Args:
        run: of a study.
        path: of its JSON file.
        fields: of the study; None does not check that the result was made from them.

    Raises:
        StudyError: the file is damaged, or holds the result of another configuration, or of other
            fields.
    """
    if not path.exists():
        return None
    result = load_result(path)
    if result.config_digest != run.digest:
        raise StudyError(
            f"{path} is the result of another configuration of {run.id!r}: the study has changed "
            "since; delete the file to run it anew, or write the results to another folder"
        )
    if fields is not None and result.labels_sha256 != fields.digest():
        raise StudyError(
            f"{path} is a result on other fields or labels: write the results of these to another "
            "folder"
        )
    return result


def frequency_groups(fields: FieldSet) -> dict[str, str]:
    """ "rare", "common" or "frequent" by class name, from the whole data set's counts."""
    groups = {}
    for cell_class, count in zip(fields.classes, fields.count_cells(), strict=True):
        group = "common" if count < COMMON_BELOW else "frequent"
        groups[cell_class.name] = "rare" if count < RARE_BELOW else group
    return groups


def _describe(run: Run, everything: FieldSet, learned: Learned, device: str) -> RunResult:
    if learned.held_out is None:
        raise StudyError(f"{run.id}: a run of a study needs a fold to be measured on")
    results = detect_held_out(learned.network, run.config, learned.held_out)
    figures, thresholds = measure(results, run.config, learned.held_out, choose=True)
    classes = learned.fields.classes
    names = [cell_class.name for cell_class in classes]
    return RunResult(
        run=run.id,
        options=run.options,
        fold=run.fold,
        seed=run.seed,
        unused_folds=run.unused_folds,
        config=run.config_name,
        config_digest=run.digest,
        labels_sha256=everything.digest(),
        epochs=run.config.train.epochs,
        frequency_groups=frequency_groups(everything),
        figures=RunFigures(**figures.to_json(), score_thresholds=thresholds),
        precision_at_recall=_curves(results, classes),
        gradient_ratio_by_epoch={
            name: [round(ratios[label], 5) for ratios in learned.gradients.ratio_by_epoch]
            for label, name in enumerate(names)
        },
        classifier_weight_norm=dict(
            zip(names, classifier_weight_norms(learned.network, len(names)), strict=True)
        ),
        num_parameters=sum(weight.numel() for weight in learned.network.parameters()),
        hardware=_hardware(device, learned.train_s),
    )


def _curves(
    results: Sequence[FieldResult], classes: tuple[CellClass, ...]
) -> dict[str, list[float]]:
    """Precision at recall 0, 0.01, … 1, of each class and of any cell."""
    by_class = precision_curves(results, np.arange(len(classes)))
    curves = {classes[label].name: curve for label, curve in by_class.items()}
    any_cell = precision_curves(results, np.zeros(len(classes), np.int64))
    if 0 in any_cell:
        curves["any cell"] = any_cell[0]
    return {name: [round(float(value), 4) for value in curve] for name, curve in curves.items()}


def _hardware(device: str, train_s: float) -> RunHardware:
    gpu = device != "cpu" and torch.cuda.is_available()
    return RunHardware(
        device=torch.cuda.get_device_name() if gpu else platform.processor() or "cpu",
        threads=torch.get_num_threads(),
        train_s=round(train_s, 1),
        torch=str(torch.__version__),
        code_version=importlib.metadata.version("cytolibra"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
