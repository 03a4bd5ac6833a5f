"""Saves a batch whose loss or gradient is not finite, and makes the error that names it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from models.errors import TrainingError
from models.training.epochs import Batch


def refuse_batch(
    run_dir: Path, batch: Batch, iteration: int, losses: Mapping[str, Tensor], quantity: str
) -> TrainingError:
    """The error to raise, after saving the batch as `run_dir`/batch_of_nan.npz.

    Args:
        run_dir: of the run.
        batch: as it came from `Epochs.batches`.
        iteration: counted from 0.
        losses: by name.
        quantity: that is not finite: "the loss" or "its gradient".
    """
    pixels, boxes, labels = batch
    path = run_dir / "batch_of_nan.npz"
    cells = {f"boxes_{index}": box.numpy() for index, box in enumerate(boxes)}
    cells |= {f"labels_{index}": label.numpy() for index, label in enumerate(labels)}
    np.savez_compressed(path, pixels=pixels.numpy(), **cells)  # type: ignore[arg-type]
    parts = ", ".join(f"{name} {float(value.detach()):.4g}" for name, value in losses.items())
    return TrainingError(
        f"{quantity} is not finite at iteration {iteration} ({parts}); the batch is in {path}: "
        "look at it; or lower train.lr and train into another folder, as this run goes on with the "
        "configuration it began with"
    )
