"""How far a training run is, as told to whoever shows it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainProgress:
    """Epochs are counted from 0, iterations that are done from 1."""

    epoch: int
    num_epochs: int
    iteration: int
    num_iterations: int
    loss: float


OnTrainProgress = Callable[[TrainProgress], None]
