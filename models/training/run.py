"""Trains a detector on labelled fields and writes the bundle that the product serves.

`run_training` shows the order of steps; each lives in `models/training/` or `models/data/`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from models.atomic_write import write_text_atomically
from models.bundle.description import NAME
from models.bundle.write import check_replaceable
from models.calibrate.slide_score import FitSlideScore
from models.data.coco import FieldSet, read_coco, require_mpp
from models.data.describe import describe_fields, require_visible, warn_of_shared_slides
from models.data.field_pixels import check_images
from models.data.field_samples import FieldSamples
from models.data.paste import cut_rare_cells
from models.data.resample import Sample
from models.errors import DatasetError, TrainingError
from models.measure.evaluate import Evaluation
from models.network.build import describe_for_classes, outline_network
from models.training.config import TrainConfig
from models.training.epochs import Epochs
from models.training.export import Trained, export_bundle
from models.training.gradient_ratio import GradientRatio
from models.training.loop import TrainState, run_epochs
from models.training.phantom_fields import draw_histology_fields, draw_phantom_fields
from models.training.progress import OnTrainProgress, TrainProgress
from models.training.ranks import Ranks, join_ranks
from models.training.validation import as_detector, detect_held_out, measure

Say = Callable[[str], None]

#: Any-cell AP50 below which a detector is of no use.
FINDS_NOTHING_AP50 = 0.1

#: Parts of a configuration that do not change what is learned: with others, a finished run is
#: exported anew.
NOT_LEARNED: dict[str, Any] = {
    "postprocess": True,
    "slide_score": True,
    "input": {"tile_size_px": True, "overlap_px": True},
}


@dataclass(frozen=True)
class TrainOptions:
    """Options of a run, besides its configuration.

    Attributes:
        name: of the detector.
        fold: held out of training and measured on; None trains on everything.
        device: "auto", "cpu" or "cuda".
        num_workers: threads that prepare crops.
        validate_every_epochs: between measurements on the held-out fold.
        unused_folds: neither learned from nor measured on: reserved for a later evaluation.
    """

    name: str
    fold: int | None
    device: str
    num_workers: int
    validate_every_epochs: int
    unused_folds: tuple[int, ...] = ()


def ignore_progress(progress: TrainProgress) -> None:
    """Ignores progress."""


def run_training(
    config: TrainConfig,
    data: Path,
    run_dir: Path,
    options: TrainOptions,
    on_progress: OnTrainProgress = ignore_progress,
    say: Say = lambda line: None,
    fit_slide_score: FitSlideScore | None = None,
) -> Path:
    """Trains or resumes the run in `run_dir`.

    Args:
        config: complete.
        data: folder with `images/` and COCO `annotations.json`.
        run_dir: gets run.json, checkpoint.pt, TensorBoard's event files and bundle/.
        options: fold, device and the like.
        on_progress: called after every iteration.
        say: called with lines that describe the data and every measurement.
        fit_slide_score: for the new detector, on the held-out fold; without, or without a fold,
            the configuration's coefficients are taken.

    Returns:
        The bundle's folder.

    Raises:
        DatasetError: the data are unreadable or have no such fold.
        TrainingError: see `models/training/loop.py`; or `run_dir` holds another run, or there is
            no such device; or the name is not allowed.
        BundleError: `run_dir`/bundle holds something else than a bundle.
    """
    if not NAME.fullmatch(options.name):
        raise TrainingError(
            f"a detector cannot be called {options.name!r}: letters, digits, dots, dashes and "
            "underscores make a name"
        )
    check_replaceable(run_dir / "bundle")
    learned = learn(config, read_coco(data), run_dir, options, on_progress, say)
    bundle = run_dir / "bundle"
    if not learned.is_first:
        return bundle
    trained = Trained(
        learned.network,
        config,
        learned.fields.classes,
        options.name,
        note_facts(config, learned.fields, options),
        _measure_at_end(learned, config, say),
    )
    # Written before the fit, so that an error there does not lose the training.
    export_bundle(trained, bundle)
    if fit_slide_score is not None and learned.held_out is not None:
        _add_slide_score(trained, learned.held_out, bundle, fit_slide_score, say)
    return bundle


def _measure_at_end(
    learned: "Learned", config: TrainConfig, say: Say
) -> tuple[Evaluation, tuple[float, ...]] | None:
    """Figures on the held-out fold and the thresholds chosen there; None without a fold."""
    if learned.held_out is None:
        return None
    results = detect_held_out(learned.network, config, learned.held_out)
    figures, thresholds = measure(results, config, learned.held_out, choose=True)
    say(f"at the end: {summarise(figures)}")
    if (figures.any_cell_ap50 or 0.0) < FINDS_NOTHING_AP50:
        say("warning: it finds next to nothing: train longer, or look at mpp and labels")
    return figures, thresholds


def _add_slide_score(
    trained: Trained, held_out: FieldSet, bundle: Path, fit: FitSlideScore, say: Say
) -> None:
    """Rewrites the bundle with fitted coefficients, or with the reason why they were not fitted."""
    try:
        slide_score = fit(as_detector(trained), held_out)
    except DatasetError as error:
        say(f"warning: the slide score keeps the configuration's coefficients: {error}")
        note = {"slide_score": f"not fitted to this detector: {error}"}
        export_bundle(replace(trained, facts=trained.facts | note), bundle)
    else:
        export_bundle(trained, bundle, slide_score)


@dataclass(frozen=True)
class Learned:
    """Result of a run.

    Attributes:
        network: averaged, on the CPU, in evaluation mode.
        fields: used for training.
        held_out: not used for training; None where no fold was held out.
        gradients: recorded during training.
        train_s: seconds of all its epochs, those before an interruption included.
        is_first: whether this process is to measure and write, of those that learned together.
    """

    network: nn.Module
    fields: FieldSet
    held_out: FieldSet | None
    gradients: GradientRatio
    train_s: float
    is_first: bool = True


def learn(
    config: TrainConfig,
    everything: FieldSet,
    run_dir: Path,
    options: TrainOptions,
    on_progress: OnTrainProgress = ignore_progress,
    say: Say = lambda line: None,
) -> Learned:
    """Trains a network without exporting it; arguments and errors as for `run_training`."""
    device = choose_device(options.device)
    fields = everything
    held_out_folds = () if options.fold is None else (options.fold,)
    if held_out_folds:
        require_mpp(everything)
    for fold in (*held_out_folds, *options.unused_folds):
        fields = fields.without_fold(fold)
    held_out = None if options.fold is None else everything.only_fold(options.fold)
    warning = None if options.fold is None else warn_of_shared_slides(everything)

    def on_epoch(state: TrainState, writer: SummaryWriter) -> None:
        if held_out is not None and state.epoch % options.validate_every_epochs == 0:
            validate(state, writer, config, held_out, say)

    check_images(everything)
    require_visible(fields, config.input.mpp)
    # Before run.json is written, so that an invalid network does not claim the folder.
    outline_network(describe_for_classes(config.network, len(fields.classes)))
    with join_ranks(device) as ranks:
        if ranks.is_first:
            for line in (*describe_fields(fields, config.input.mpp), *filter(None, [warning])):
                say(line)
            claim_run_dir(run_dir, config, fields, options, ranks.world)
        ranks.wait()
        epochs = prepare_epochs(config, fields, options, ranks)
        on_own_progress = on_progress if ranks.is_first else ignore_progress
        state = run_epochs(epochs, run_dir, ranks.choose_gpu(device), on_own_progress, on_epoch)
    network = state.average.module.to("cpu").eval()
    return Learned(network, fields, held_out, state.gradients, state.train_s, ranks.is_first)


def prepare_epochs(
    config: TrainConfig, fields: FieldSet, options: TrainOptions, ranks: Ranks
) -> Epochs:
    """All crops of the run: fields at the detector's µm/px, drawn fields, rare cells to paste."""
    samples = FieldSamples(fields.fields, config.input.mpp)
    samples.check()
    num_classes = len(fields.classes)
    return Epochs(
        config,
        samples,
        draw_phantoms(config, fields),
        num_classes,
        config.train.seed,
        options.num_workers,
        cut_rare_cells(samples, num_classes) if config.train.paste_fraction else [],
        ranks,
    )


def validate(
    state: TrainState, writer: SummaryWriter, config: TrainConfig, held_out: FieldSet, say: Say
) -> None:
    """Measures the averaged network on the held-out fold; reports to `say` and TensorBoard."""
    results = detect_held_out(state.average.module, config, held_out)
    figures, _ = measure(results, config, held_out)
    for key in ("map50", "any_cell_ap50", "abnormal_ap50"):
        writer.add_scalar(f"fold/{key}", getattr(figures, key) or 0.0, state.iteration)
    say(f"epoch {state.epoch}: {summarise(figures)}")


def note_facts(config: TrainConfig, fields: FieldSet, options: TrainOptions) -> dict[str, Any]:
    """Facts of the run for its bundle and card."""
    denoised = {"denoise_epochs": config.train.denoise_epochs}
    return {
        "fields": len(fields.fields),
        "cells": fields.num_cells,
        "labels_sha256": fields.digest(),
        "fold_held_out": options.fold,
        "unused_folds": list(options.unused_folds),
        "seed": config.train.seed,
        "epochs": config.train.epochs,
    } | (denoised if config.train.denoise_epochs else {})


def summarise(figures: Evaluation) -> str:
    """The main figures in a line."""
    rate = figures.normal_vs_abnormal
    return (
        f"mAP50 {figures.map50:.3f}, any cell {figures.any_cell_ap50 or 0:.3f}, "
        f"abnormal {figures.abnormal_ap50 or 0:.3f}; normal vs abnormal F1 {rate.f1:.3f}"
    )


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU where there is one.

    Raises:
        TrainingError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device 'cuda' is asked for, but torch sees no GPU: use --device cpu")
    if name not in ("cpu", "cuda"):
        raise TrainingError(f"device {name!r} is none of auto, cpu, cuda")
    return torch.device(name)


def draw_phantoms(config: TrainConfig, fields: FieldSet) -> list[Sample]:
    """The phantom fields that are mixed in, or none."""
    if config.train.phantom_fraction == 0:
        return []
    return draw_phantom_fields(
        config.train.phantom_fields, config.input.mpp, fields.classes, config.train.seed
    ) + draw_histology_fields(config.train.histology_fields, config.input.mpp, config.train.seed)


def claim_run_dir(
    run_dir: Path, config: TrainConfig, fields: FieldSet, options: TrainOptions, world: int
) -> None:
    """Writes the run's identity to `run_dir`/run.json, or checks it against that file.

    Raises:
        TrainingError: the folder holds another run, or its run.json is damaged.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    # Without defaults, so that runs of versions without a new setting can be resumed.
    run = {
        "config": config.model_dump(mode="json", exclude=NOT_LEARNED, exclude_defaults=True),
        "num_fields": len(fields.fields),
        "num_cells": fields.num_cells,
        "classes": [cell_class.name for cell_class in fields.classes],
        "labels_sha256": fields.digest(),
        "fold": options.fold,
        "unused_folds": list(options.unused_folds),
        "processes": world,
    }
    path = run_dir / "run.json"
    if path.exists():
        if _read_run(path) != run:
            raise TrainingError(
                f"{run_dir} holds a run with another configuration, seed, fold, data or number of "
                "processes: choose another folder with -o, or delete that one"
            )
        return
    write_text_atomically(path, json.dumps(run, indent=2) + "\n")


def _read_run(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrainingError(f"{path} is damaged ({error}): delete {path.parent}") from error
