"""OpenVINO: the engine for CPUs, about twice as fast there as torch."""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.bundle import InputModel
from models.engines.graph import RawOutputs
from models.errors import BundleError


class OpenVinoForward:
    """Runs the graph in OpenVINO, in the precision that it picks for this processor.

    It is converted when loaded; a batch size that is seen for the first time is compiled then.
    """

    def __init__(self, network: nn.Module, spec: InputModel, full_precision: bool = False) -> None:
        import openvino

        self.name = "openvino"
        self._core = openvino.Core()
        self._options = {"PERFORMANCE_HINT": "LATENCY"}
        if full_precision:
            self._options["INFERENCE_PRECISION_HINT"] = "f32"
        graph = RawOutputs(network, spec).eval()
        side = spec.tile_size_px
        example = torch.zeros(1, side, side, 3, dtype=torch.uint8)
        try:
            # The converter traces by a way that torch has deprecated, and says so each time.
            with torch.inference_mode(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._model = openvino.convert_model(graph, example_input=example)
        except Exception as error:  # OpenVINO's converter raises types of its own and of torch's
            raise BundleError(
                f"OpenVINO cannot convert this network ({error}): use engine 'torch'"
            ) from error
        self._shape: tuple[int, ...] | None = None

    def run(self, pixels: NDArray[np.uint8]) -> list[Tensor]:
        """See `Forward.run`."""
        if pixels.shape != self._shape:
            # Static shapes are faster; a slide has one, and one for its last batch.
            self._model.reshape(list(pixels.shape))
            self._compiled = self._core.compile_model(self._model, "CPU", self._options)
            self._shape = pixels.shape
        found = self._compiled(pixels)
        return [
            torch.from_numpy(np.array(found[port], np.float32)) for port in self._compiled.outputs
        ]
