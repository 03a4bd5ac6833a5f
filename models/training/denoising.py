"""Self-supervised pretraining: reconstructs blanked squares of crops, without labels.

The input of backbone and neck is a crop with blanked squares and noise elsewhere; a decoder of a
single layer, discarded afterwards, reconstructs the pixels.

Source: Pathak et al., Context Encoders, CVPR 2016; Xie et al., SimMIM, CVPR 2022, sections 3.2 to
3.4: random squares, a plain decoder, and a loss on the blanked pixels alone.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from models.bundle.description import InputModel
from models.errors import TrainingError
from models.inference.precision import mixed_precision
from models.training.bad_batch import refuse_batch
from models.training.batches import normalise
from models.training.epochs import Epochs
from models.training.optimiser import make_optimiser, make_schedule

#: Side of a blanked square: at 0.33 to 0.66 µm/px a quarter to half of a nucleus.
BLANK_PX = 16
BLANK_FRACTION = 0.5
#: Standard deviation of the noise on pixels that are not blanked, in units of normalised pixels.
NOISE_STD = 0.2
#: Side of a probe that every network's stride divides.
PROBE_PX = 256

#: Called with the epoch, from 0, the iteration, from 1, and the loss.
OnDenoised = Callable[[int, int, float], None]


class Denoiser(nn.Module):
    """A detector's backbone and neck, with a decoder from their finest level to pixels.

    Args:
        network: an mmdet detector in training mode; it is trained in place.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.backbone = network.get_submodule("backbone")
        self.neck = network.get_submodule("neck") if hasattr(network, "neck") else nn.Identity()
        device = next(network.parameters()).device
        # In evaluation mode, so that the probe does not enter the statistics of norms.
        self.eval()
        with torch.no_grad():
            probe = torch.zeros(1, 3, PROBE_PX, PROBE_PX, device=device)
            finest = self.neck(self.backbone(probe))[0]
        self.train()
        self.stride = PROBE_PX // finest.shape[-1]
        self.decoder = nn.Conv2d(finest.shape[1], 3 * self.stride**2, 1).to(device)

    def forward(self, damaged: Tensor) -> Tensor:
        """Pixels, (B, 3, S', S'), of damaged ones (B, 3, S, S).

        S' is S where that is a multiple of the stride, else by less than a stride more or less.
        """
        finest = self.neck(self.backbone(damaged))[0]
        return functional.pixel_shuffle(self.decoder(finest), self.stride)


def denoise(network: nn.Module, epochs: Epochs, run_dir: Path, on_progress: OnDenoised) -> None:
    """Trains the backbone and the neck in place for `train.denoise_epochs` epochs.

    Every field is sampled equally often, without labels; phantom fields and pasted cells are
    left out. The learning rate rises and falls as in a run of that length. There is no checkpoint
    within: an interruption costs all of it.

    Args:
        network: an mmdet detector on its device, in training mode.
        epochs: of the run.
        run_dir: gets the batch if the loss is not finite.
        on_progress: called after every iteration.

    Raises:
        TrainingError: the loss or its gradient is not finite, or a process has no batch.
    """
    unlabelled = without_labels(epochs)
    train = unlabelled.config.train
    if (num_iterations := unlabelled.count_iterations()) == 0:
        raise TrainingError(
            "there is not one batch of unlabelled fields for every process: lower "
            "train.batch_size, take fewer processes, or set train.denoise_epochs = 0"
        )
    denoiser = Denoiser(network)
    several = epochs.ranks.world > 1
    shared = DistributedDataParallel(denoiser, find_unused_parameters=True) if several else denoiser
    optimiser = make_optimiser(denoiser, train)
    schedule = make_schedule(optimiser, num_iterations, train.warmup_iterations)
    iteration = 0
    for epoch in range(train.epochs):
        for batch in unlabelled.batches(epoch):
            rng = np.random.default_rng([epochs.seed, iteration, epochs.ranks.rank])
            loss = fill_in(shared, batch[0], unlabelled.config.input, rng)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(denoiser.parameters(), train.grad_clip_norm)
            if not torch.isfinite(norm):
                quantity = "its gradient" if torch.isfinite(loss) else "the loss"
                raise refuse_batch(run_dir, batch, iteration, {"denoising": loss}, quantity)
            optimiser.step()
            schedule.step()
            iteration += 1
            on_progress(epoch, iteration, float(loss.detach()))


def count_denoising_iterations(epochs: Epochs) -> int:
    """Iterations of `denoise` per process; 0 where it is switched off."""
    return without_labels(epochs).count_iterations()


def without_labels(epochs: Epochs) -> Epochs:
    """The crops of `denoise`: equally many of every field, no phantoms, nothing pasted."""
    train = epochs.config.train
    changes = {"epochs": train.denoise_epochs, "repeat_threshold": 0.0, "paste_fraction": 0.0}
    config = epochs.config.model_copy(update={"train": train.model_copy(update=changes)})
    return replace(epochs, config=config, phantoms=(), cuts=())


def blank_squares(shape: tuple[int, int, int], rng: np.random.Generator) -> Tensor:
    """(B, 1, H, W) bool: true where a pixel is blanked, in squares on a grid.

    The same number in every crop: `BLANK_FRACTION` of the squares, at least 1.

    Args:
        shape: B, H, W.
        rng: of each crop's own squares.
    """
    num, height, width = shape
    rows, columns = (-(-side // BLANK_PX) for side in (height, width))
    num_blanked = max(1, round(BLANK_FRACTION * rows * columns))
    order = rng.permuted(np.tile(np.arange(rows * columns), (num, 1)), axis=1)
    chosen = torch.from_numpy(order < num_blanked).reshape(num, 1, rows, columns)
    wide = chosen.repeat_interleave(BLANK_PX, 2).repeat_interleave(BLANK_PX, 3)
    return wide[:, :, :height, :width]


def fill_in(
    denoiser: nn.Module, pixels: Tensor, input_model: InputModel, rng: np.random.Generator
) -> Tensor:
    """The loss of a batch: mean smooth L1 distance of the blanked pixels.

    Args:
        denoiser: gives pixels for damaged ones.
        pixels: (B, 3, S, S) uint8.
        input_model: how they are normalised.
        rng: of squares and noise.
    """
    device = next(denoiser.parameters()).device
    clean = normalise(pixels.to(device), input_model.mean_rgb, input_model.std_rgb)
    num, _, height, width = clean.shape
    blanked = blank_squares((num, height, width), rng).to(device)
    noise = torch.from_numpy(rng.standard_normal(clean.shape, np.float32)).to(device)
    damaged = torch.where(blanked, 0.0, clean + NOISE_STD * noise)
    with mixed_precision(device):
        filled = denoiser(damaged.contiguous(memory_format=torch.channels_last))
    height, width = (min(*sides) for sides in zip(filled.shape[2:], clean.shape[2:], strict=True))
    overlap = (..., slice(height), slice(width))
    distance = functional.smooth_l1_loss(filled[overlap].float(), clean[overlap], reduction="none")
    return distance[blanked[overlap].expand_as(distance)].mean()
