"""Checkpoints, saved after denoising and after every epoch, from which a run can be resumed."""

from pathlib import Path
from typing import Any

import torch

from models.atomic_write import write_atomically
from models.errors import TrainingError

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(run_dir: Path, state: dict[str, Any]) -> None:
    """Replaces the run's checkpoint atomically.

    Raises:
        TrainingError: it cannot be written, e.g. the disk is full; the previous checkpoint stays.
    """
    try:
        with write_atomically(run_dir / CHECKPOINT) as part:
            torch.save(state, part)
    except (OSError, RuntimeError) as error:
        raise TrainingError(
            f"{run_dir / CHECKPOINT} cannot be written ({error}): make room and start again, "
            "the run goes on from where it was last saved"
        ) from error


def read_checkpoint(run_dir: Path) -> dict[str, Any] | None:
    """The run's checkpoint, or None if there is none yet.

    Only tensors and plain values are read: a checkpoint cannot run code.

    Raises:
        TrainingError: it is damaged.
    """
    path = run_dir / CHECKPOINT
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types for a damaged file
        raise TrainingError(
            f"{path} cannot be read ({error}): delete it to start this run from the beginning"
        ) from error
    return state
