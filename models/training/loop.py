"""The training loop: epochs, iterations, mixed precision, and refusal of non-finite losses.

`models/training/run.py` prepares the fields and exports the network.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.tensorboard import SummaryWriter

from models.errors import TrainingError
from models.inference.precision import mixed_precision
from models.network.build import build_network, describe_for_classes
from models.training.average import start_average
from models.training.bad_batch import refuse_batch
from models.training.batches import make_data_samples, normalise
from models.training.checkpoint import read_checkpoint, save_checkpoint
from models.training.config import TrainConfig
from models.training.denoising import count_denoising_iterations, denoise
from models.training.epochs import Batch, Epochs
from models.training.frozen_stages import speed_up_frozen_stages
from models.training.gradient_ratio import GradientRatio
from models.training.optimiser import make_optimiser, make_schedule
from models.training.pretrained import load_pretrained
from models.training.progress import OnTrainProgress, TrainProgress
from models.training.ranks import share_gradients


@dataclass
class TrainState:
    """All that changes while training; `checkpoint` and `restore` are its whole memory."""

    network: nn.Module
    average: AveragedModel
    optimiser: torch.optim.AdamW
    schedule: torch.optim.lr_scheduler.LambdaLR
    num_iterations: int
    gradients: GradientRatio
    epoch: int = 0
    iteration: int = 0
    train_s: float = 0.0

    def checkpoint(self) -> dict[str, Any]:
        """Everything needed to resume, as tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "gradients": self.gradients.checkpoint(),
            "epoch": self.epoch,
            "iteration": self.iteration,
            "train_s": self.train_s,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restores the state that `checkpoint` returned."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.gradients.restore(state["gradients"])
        self.epoch, self.iteration = state["epoch"], state["iteration"]
        self.train_s = state.get("train_s", 0.0)


OnEpoch = Callable[[TrainState, SummaryWriter], None]


def start_training(
    config: TrainConfig, num_classes: int, seed: int, device: torch.device, num_iterations: int
) -> TrainState:
    """A fresh network with its average, optimiser and schedule.

    Raises:
        BundleError: the network's configuration holds a type that is not allowed.
        TrainingError: there is nothing to learn from, weights that would stay random, or a loss
            that was made for other classes.
    """
    torch.manual_seed(seed)
    network = build_network(describe_for_classes(config.network, num_classes))
    network.init_weights()  # type: ignore[operator]
    if not config.train.pretrained and config.network["backbone"].get("frozen_stages", -1) >= 0:
        raise TrainingError(
            "train.pretrained is false, but network.backbone.frozen_stages keeps random weights: "
            "set it to -1"
        )
    if config.train.pretrained:
        load_pretrained(network.get_submodule("backbone"))
    loss: Any = network.get_submodule("bbox_head.loss_cls")
    if getattr(loss, "num_classes", None) not in (None, num_classes):
        raise TrainingError(
            f"network.bbox_head.loss_cls was made for {loss.num_classes} classes, but the data "
            f"have {num_classes}: give it their counts (class_counts)"
        )
    if num_iterations == 0:
        raise TrainingError(
            "there is not one batch for every process: lower train.batch_size or take fewer "
            "processes"
        )
    network = network.to(device).train()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = start_average(network, config.train.ema_decay)
    optimiser = make_optimiser(network, config.train)
    schedule = make_schedule(optimiser, num_iterations, config.train.warmup_iterations)
    gradients = GradientRatio(num_classes)
    gradients.watch(network.bbox_head.loss_cls)
    return TrainState(network, average, optimiser, schedule, num_iterations, gradients)


def run_epochs(
    epochs: Epochs,
    run_dir: Path,
    device: torch.device,
    on_progress: OnTrainProgress,
    on_epoch: OnEpoch,
) -> TrainState:
    """Trains or resumes the run in `run_dir`.

    Args:
        epochs: all crops of the run.
        run_dir: gets checkpoint.pt and TensorBoard's event files.
        device: to train on.
        on_progress: called after every iteration.
        on_epoch: called after every epoch, once its checkpoint is written.

    Returns:
        The state at the end; what is measured and shipped is its average.

    Raises:
        TrainingError: the loss or its gradient is not finite (the batch is saved and named), or the
            disk is full.
    """
    ranks = epochs.ranks
    state = start_training(
        epochs.config, epochs.num_classes, epochs.seed, device, epochs.count_iterations()
    )
    saved = read_checkpoint(run_dir)
    if saved is not None:
        state.restore(saved)
    log_dir = run_dir / ("tensorboard" if ranks.is_first else f"tensorboard-{ranks.rank}")
    with SummaryWriter(str(log_dir), purge_step=state.iteration) as writer:
        if saved is None and epochs.config.train.denoise_epochs:
            _denoise_first(state, epochs, run_dir, writer, on_progress)
        speed_up_frozen_stages(state.network.get_submodule("backbone"), device, epochs.batch_shape)
        losses_of = share_gradients(state.network, ranks)
        while state.epoch < epochs.config.train.epochs:
            _run_epoch(state, losses_of, epochs, run_dir, writer, on_progress)
            if ranks.is_first:
                save_checkpoint(run_dir, state.checkpoint())
                on_epoch(state, writer)
            ranks.wait()
    return state


def _denoise_first(
    state: TrainState,
    epochs: Epochs,
    run_dir: Path,
    writer: SummaryWriter,
    on_progress: OnTrainProgress,
) -> None:
    """The checkpoint that it leaves spares a resumed run from doing it again."""

    def report(epoch: int, iteration: int, loss: float) -> None:
        writer.add_scalar("denoising/loss", loss, iteration)
        on_progress(TrainProgress(epoch, num_epochs, iteration, num_iterations, loss, "denoising"))

    start = time.monotonic()
    num_epochs = epochs.config.train.denoise_epochs
    num_iterations = count_denoising_iterations(epochs)
    denoise(state.network, epochs, run_dir, report)
    state.train_s += time.monotonic() - start
    if epochs.ranks.is_first:
        save_checkpoint(run_dir, state.checkpoint())
    epochs.ranks.wait()


def _run_epoch(
    state: TrainState,
    losses_of: nn.Module,
    epochs: Epochs,
    run_dir: Path,
    writer: SummaryWriter,
    on_progress: OnTrainProgress,
) -> None:
    start = time.monotonic()
    device = next(state.network.parameters()).device
    state.network.train()
    for batch in epochs.batches(state.epoch):
        losses = _learn(state, losses_of, batch, epochs.config, device, run_dir)
        _log(writer, state, losses)
        on_progress(_progress(state, epochs.config, losses))
    state.epoch += 1
    state.gradients.end_epoch()
    state.train_s += time.monotonic() - start


def _progress(state: TrainState, config: TrainConfig, losses: dict[str, Tensor]) -> TrainProgress:
    total = sum(float(value) for value in losses.values())
    return TrainProgress(
        state.epoch, config.train.epochs, state.iteration, state.num_iterations, total
    )


def _learn(
    state: TrainState,
    losses_of: nn.Module,
    batch: Batch,
    config: TrainConfig,
    device: torch.device,
    run_dir: Path,
) -> dict[str, Tensor]:
    losses = _compute_losses(losses_of, batch, config, device)
    total = torch.stack(list(losses.values())).sum()
    if not torch.isfinite(total):
        raise refuse_batch(run_dir, batch, state.iteration, losses, "the loss")
    state.optimiser.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(state.network.parameters(), config.train.grad_clip_norm)
    if not torch.isfinite(norm):
        raise refuse_batch(run_dir, batch, state.iteration, losses, "its gradient")
    state.optimiser.step()
    state.schedule.step()
    state.average.update_parameters(state.network)
    state.iteration += 1
    return {name: value.detach() for name, value in losses.items()}


def _compute_losses(
    losses_of: nn.Module, batch: Batch, config: TrainConfig, device: torch.device
) -> dict[str, Tensor]:
    pixels, boxes, labels = batch
    inputs = normalise(pixels.to(device), config.input.mean_rgb, config.input.std_rgb)
    samples = make_data_samples(boxes, labels, config.train.crop_px, device)
    with mixed_precision(device):
        outputs = losses_of(inputs, samples)
    return {
        name: value if isinstance(value, Tensor) else torch.stack(list(value)).sum()
        for name, value in outputs.items()
        if "loss" in name
    }


def _log(writer: SummaryWriter, state: TrainState, losses: dict[str, Tensor]) -> None:
    for name, value in losses.items():
        writer.add_scalar(f"train/{name}", float(value), state.iteration)
    writer.add_scalar("train/lr", state.schedule.get_last_lr()[0], state.iteration)
