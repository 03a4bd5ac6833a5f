"""Training on several GPUs: which of torchrun's processes this is, and what they share.

    torchrun --nproc-per-node 4 -m service.cli.main train CONFIG DATA -o RUN_DIR

Every process learns from its own share of each epoch's batches, gradients are averaged, and the
first process alone measures, writes and speaks. `train.batch_size` is that of one process.
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
    """This process among `world` ones; one process alone is the first of one."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this one measures, writes and speaks."""
        return self.rank == 0

    def choose_gpu(self, device: torch.device) -> torch.device:
        """The GPU of this process, where GPUs are used."""
        return torch.device("cuda", self.local_rank) if device.type == "cuda" else device

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            distributed.barrier()


class Losses(nn.Module):
    """A detector whose `forward` gives its losses, as gradient averaging needs it."""

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
    """The processes that torchrun started, or this one alone."""
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
    """What to call for losses: averages gradients over the processes where there are several."""
    losses = Losses(network)
    if ranks.world == 1:
        return losses
    # A neck may make levels that no head looks at.
    return DistributedDataParallel(losses, find_unused_parameters=True)
