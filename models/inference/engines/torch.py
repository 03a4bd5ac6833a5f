"""torch: the reference, and the engine for GPUs."""

from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.bundle.description import InputModel
from models.inference.engines.graph import RawOutputs
from models.inference.precision import has_bfloat16


class TorchForward:
    """Runs the graph in torch, in bfloat16 where the hardware multiplies it."""

    def __init__(
        self, network: nn.Module, spec: InputModel, device: str, full_precision: bool = False
    ) -> None:
        self.name = "torch"
        self._device = torch.device(device)
        graph = RawOutputs(network, spec).eval().to(self._device)
        self._graph = graph.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._half = has_bfloat16(self._device) and not full_precision

    @torch.inference_mode()
    def run(self, pixels: NDArray[np.uint8]) -> list[Tensor]:
        """See `Forward.run`."""
        batch = torch.from_numpy(pixels).to(self._device)
        precision = (
            torch.autocast(self._device.type, dtype=torch.bfloat16) if self._half else nullcontext()
        )
        with precision:
            outputs = self._graph(batch)
        return [output.float().cpu() for output in outputs]
