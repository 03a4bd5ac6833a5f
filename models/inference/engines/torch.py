"""torch: the reference, and the engine for GPUs."""

from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.bundle.description import InputModel
from models.inference.engines.graph import RawOutputs
from models.inference.precision import fast_dtype


class TorchForward:
    """Runs the graph in torch, in short floats where the hardware multiplies them."""

    def __init__(
        self, network: nn.Module, spec: InputModel, device: str, full_precision: bool = False
    ) -> None:
        self.name = "torch"
        self._device = torch.device(device)
        graph = RawOutputs(network, spec).eval().to(self._device)
        self._graph = graph.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._dtype = torch.float32 if full_precision else fast_dtype(self._device)

    @torch.inference_mode()
    def run(self, pixels: NDArray[np.uint8]) -> list[Tensor]:
        """See `Forward.run`."""
        batch = torch.from_numpy(pixels).to(self._device)
        short = self._dtype != torch.float32
        with torch.autocast(self._device.type, dtype=self._dtype) if short else nullcontext():
            outputs = self._graph(batch)
        return [output.float().cpu() for output in outputs]
