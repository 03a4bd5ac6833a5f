"""Training on several GPUs: the rank of this process under torchrun, and gradient averaging.

    torchrun --nproc-per-node 4 -m service.cli.main train CONFIG DATA -o RUN_DIR

Every process learns from its own share of each epoch's batches, gradients are averaged, and the
first process alone measures, writes and prints. `train.batch_size` is per process.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Ranks:
    """Rank of this process among `world` processes; 0 of 1 without torchrun."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process measures, writes and prints."""
        return self.rank == 0

    def choose_gpu(self, device: torch.device) -> torch.device:
        """The GPU of this process, where GPUs are used."""
        return torch.device("cuda", self.local_rank) if device.type == "cuda" else device

    def wait(self) -> None:
        """Waits until all processes call it."""
        if self.world > 1:
            distributed.barrier()


class Losses(nn.Module):
    """A detector whose `forward` gives its losses, as DistributedDataParallel needs it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor, samples: list[Any]) -> dict[str, Any]:
        """Losses by name of (B, 3, S, S) inputs with their B data samples."""
        network: Any = self.network
        losses: dict[str, Any] = network.loss(inputs, samples)
        return losses


@contextmanager
def join_ranks(device: torch.device) -> Iterator[Ranks]:
    """Joins the processes that torchrun started; a single process without torchrun."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield Ranks()
        return
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda":
        torch.cuda.set_device(local_rank)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size(), local_rank)
    finally:
        distributed.destroy_process_group()


def share_gradients(network: nn.Module, ranks: Ranks) -> nn.Module:
    """The module to call for losses; with several processes it averages their gradients."""
    losses = Losses(network)
    if ranks.world == 1:
        return losses
    # A neck may have output levels that no head uses.
    return DistributedDataParallel(losses, find_unused_parameters=True)
