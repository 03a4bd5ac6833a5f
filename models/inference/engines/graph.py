"""The part of a detector that an engine runs: pixels in, raw outputs of its head out.

Normalisation is inside, so that engines take bytes.
"""

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.bundle.description import InputModel


class Forward(Protocol):
    """Runs the graph."""

    name: str

    def run(self, pixels: NDArray[np.uint8]) -> list[Tensor]:
        """Raw outputs of the head, flat, float32 on the CPU, for (B, H, W, 3) RGB pixels."""
        ...


class RawOutputs(nn.Module):
    """Backbone, neck and head of an mmdet single-stage detector.

    The head gives lists, one entry a level; they are laid flat, first output first.
    """

    def __init__(self, network: nn.Module, spec: InputModel) -> None:
        super().__init__()
        self.network = network
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(spec.mean_rgb).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std_rgb).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """From (B, H, W, 3) uint8 to tensors (B, ., h, w)."""
        x = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        network: Any = self.network
        outputs = network.bbox_head(network.extract_feat(x))
        return tuple(level for output in outputs for level in output)
