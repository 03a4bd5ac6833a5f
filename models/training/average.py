"""The moving average of a network's weights, which a run measures and exports."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def start_average(network: nn.Module, decay: float) -> AveragedModel:
    """A new average of a network; call `update_parameters` after every iteration.

    The decay rises from 2/11 towards `decay` over the first iterations, so that the
    average of a short run does not contain the initial random weights.

    Args:
        network: being trained; the average is a copy of it.
        decay: in [0, 1): 0.998 averages over some 500 iterations; 0 keeps the latest weights.
    """

    def blend(averaged: list[Tensor], latest: list[Tensor], num_averaged: Tensor | int) -> None:
        count = int(num_averaged)
        share = 1 - min(decay, (1 + count) / (10 + count))
        for average, new in zip(averaged, latest, strict=True):
            if average.is_floating_point():
                average.lerp_(new, share)
            else:
                average.copy_(new)

    with torch.no_grad():
        return AveragedModel(network, multi_avg_fn=blend, use_buffers=True)  # type: ignore[arg-type]
