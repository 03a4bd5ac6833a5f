"""Progress of a training run, as passed to callbacks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainProgress:
    """Epochs are counted from 0, iterations that are done from 1, both anew in each stage."""

    epoch: int
    num_epochs: int
    iteration: int
    num_iterations: int
    loss: float
    stage: Literal["denoising", "labels"] = "labels"


OnTrainProgress = Callable[[TrainProgress], None]
