"""Learning from pixels alone, before any label: filling in what was blanked out of a crop.

The backbone and the neck see a crop with squares blanked and noise on the rest, and a decoder of
one layer, thrown away afterwards, is to give the pixels back.

Source: Pathak et al., Context Encoders, CVPR 2016; Xie et al., SimMIM, CVPR 2022, sections 3.2 to
3.4: random squares, a plain decoder, and a loss on what was blanked alone.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from models.precision import mixed_precision
from models.training.bad_batch import refuse_batch
from models.training.batches import normalise
from models.training.epochs import Batch, Epochs
from models.training.optimiser import make_optimiser, make_schedule

#: Side of a blanked square: at 0.33 to 0.66 µm/px a quarter to half of a nucleus.
BLANK_PX = 16
BLANK_FRACTION = 0.5
#: Standard deviation of the noise on what stays in sight, in units of normalised pixels.
NOISE_STD = 0.2

OnDenoised = Callable[[int, int, float], None]


class Denoiser(nn.Module):
    """A detector's backbone and neck, with a decoder from their finest level to pixels.

    Args:
        network: an mmdet detector; it is trained in place.
        crop_px: side S of its crops.
    """

    def __init__(self, network: nn.Module, crop_px: int) -> None:
        super().__init__()
        self.backbone = network.get_submodule("backbone")
        self.neck = network.get_submodule("neck") if hasattr(network, "neck") else nn.Identity()
        device = next(network.parameters()).device
        with torch.no_grad():
            finest = self.neck(self.backbone(torch.zeros(1, 3, crop_px, crop_px, device=device)))[0]
        self.stride = crop_px // finest.shape[-1]
        self.decoder = nn.Conv2d(finest.shape[1], 3 * self.stride**2, 1).to(device)

    def forward(self, damaged: Tensor) -> Tensor:
        """Pixels, (B, 3, S', S'), of damaged ones (B, 3, S, S); S' is S to a whole stride."""
        finest = self.neck(self.backbone(damaged))[0]
        return functional.pixel_shuffle(self.decoder(finest), self.stride)


def denoise(network: nn.Module, epochs: Epochs, run_dir: Path, on_progress: OnDenoised) -> float:
    """Trains the backbone and the neck in place for `train.denoise_epochs` epochs.

    Every field is drawn equally often and no label is looked at; drawn fields and pasted cells are
    left out. An interruption costs all of it: it is short, and no checkpoint is written before its
    end.

    Args:
        network: an mmdet detector on its device, in training mode.
        epochs: of the run.
        run_dir: gets the batch, should the loss not be finite.
        on_progress: called with the epoch, counted from 0, the iteration, from 1, and the loss.

    Returns:
        Seconds.

    Raises:
        TrainingError: the loss or its gradient is not finite.
    """
    start = time.monotonic()
    unlabelled = without_labels(epochs)
    how = unlabelled.config.train
    denoiser = Denoiser(network, how.crop_px).train()
    several = epochs.ranks.world > 1
    shared = DistributedDataParallel(denoiser, find_unused_parameters=True) if several else denoiser
    optimiser = make_optimiser(denoiser, how)
    schedule = make_schedule(optimiser, unlabelled.count_iterations(), how.warmup_iterations)
    iteration = 0
    for epoch in range(how.epochs):
        for batch in unlabelled.batches(epoch):
            rng = np.random.default_rng([epochs.seed, iteration, epochs.ranks.rank])
            loss = _fill_in(shared, batch, unlabelled, rng)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(denoiser.parameters(), how.grad_clip_norm)
            if not torch.isfinite(norm):
                what = "its gradient" if torch.isfinite(loss) else "the loss"
                raise refuse_batch(run_dir, batch, iteration, {"denoising": loss}, what)
            optimiser.step()
            schedule.step()
            iteration += 1
            on_progress(epoch, iteration, float(loss.detach()))
    return time.monotonic() - start


def without_labels(epochs: Epochs) -> Epochs:
    """The crops of `denoise`: of every field as many, none drawn, nothing pasted."""
    train = epochs.config.train
    changes = {"epochs": train.denoise_epochs, "repeat_threshold": 0.0, "paste_fraction": 0.0}
    config = epochs.config.model_copy(update={"train": train.model_copy(update=changes)})
    return replace(epochs, config=config, phantoms=(), cuts=())


def blank_squares(shape: tuple[int, int, int], rng: np.random.Generator) -> Tensor:
    """(B, 1, H, W) bool: true where a pixel is blanked, in squares on a grid.

    Args:
        shape: B, H, W.
        rng: of each crop's own squares.
    """
    num, height, width = shape
    rows, columns = (-(-side // BLANK_PX) for side in (height, width))
    chosen = torch.from_numpy(rng.random((num, 1, rows, columns)) < BLANK_FRACTION)
    wide = chosen.repeat_interleave(BLANK_PX, 2).repeat_interleave(BLANK_PX, 3)
    return wide[:, :, :height, :width]


def _fill_in(denoiser: nn.Module, batch: Batch, epochs: Epochs, rng: np.random.Generator) -> Tensor:
    """The loss of one batch: mean distance of blanked pixels, smooth near zero."""
    device = next(denoiser.parameters()).device
    look = epochs.config.input
    clean = normalise(batch[0].to(device), look.mean_rgb, look.std_rgb)
    num, _, height, width = clean.shape
    blanked = blank_squares((num, height, width), rng).to(device)
    noise = torch.from_numpy(rng.standard_normal(clean.shape, np.float32)).to(device)
    damaged = torch.where(blanked, 0.0, clean + NOISE_STD * noise)
    with mixed_precision(device):
        filled = denoiser(damaged.contiguous(memory_format=torch.channels_last))
    filled = filled.float()
    height, width = filled.shape[-2:]
    distance = functional.smooth_l1_loss(filled, clean[..., :height, :width], reduction="none")
    seen = blanked[..., :height, :width].expand_as(distance)
    return distance[seen].mean()
