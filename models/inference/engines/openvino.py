"""OpenVINO: the engine for CPUs, about twice as fast there as torch."""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.bundle.description import InputModel
from models.errors import BundleError
from models.inference.engines.graph import RawOutputs


class NotConvertibleError(BundleError):
    """OpenVINO cannot convert a network; torch may still run it."""


class OpenVinoForward:
    """Runs the graph in OpenVINO, in the precision that it picks for this processor.

    It is converted when loaded, and compiled when the batch size changes, which takes a fraction
    of a second.

    Raises:
        NotConvertibleError: the network has an operation that OpenVINO lacks.
    """

    def __init__(self, network: nn.Module, spec: InputModel, full_precision: bool = False) -> None:
        import openvino

        self.name = "openvino"
        self._openvino = openvino
        self._core = openvino.Core()
        # Deformable convolutions (RepPoints) keep the sizes that they were traced with, and compute
        # places of a map in the precision of the rest: bfloat16 cannot tell 2449 from 2448.
        self._has_places = any(type(part).__name__ == "DeformConv2d" for part in network.modules())
        self._options = {"PERFORMANCE_HINT": "LATENCY"}
        if full_precision or self._has_places:
            self._options["INFERENCE_PRECISION_HINT"] = "f32"
        self._graph = RawOutputs(network, spec).eval()
        side = spec.tile_size_px
        self._model = self._convert((1, side, side, 3))
        self._shape: tuple[int, ...] | None = None

    def run(self, pixels: NDArray[np.uint8]) -> list[Tensor]:
        """See `Forward.run`."""
        if pixels.shape != self._shape:
            # Static shapes are faster; a slide has one shape, and another for its last batch.
            self._compiled = self._core.compile_model(
                self._shaped(pixels.shape), "CPU", self._options
            )
            self._shape = pixels.shape
        outputs = self._compiled(pixels)
        return [
            torch.from_numpy(np.array(outputs[port], np.float32)) for port in self._compiled.outputs
        ]

    def _shaped(self, shape: tuple[int, ...]) -> Any:
        if self._has_places:
            self._model = self._convert(shape)
        self._model.reshape(list(shape))
        return self._model

    def _convert(self, shape: tuple[int, ...]) -> Any:
        example = torch.zeros(shape, dtype=torch.uint8)
        try:
            # The converter traces by a way that torch has deprecated, and says so each time.
            with torch.inference_mode(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._openvino.convert_model(self._graph, example_input=example)
        except Exception as error:  # OpenVINO's converter raises types of its own and of torch's
            raise NotConvertibleError(
                f"OpenVINO cannot convert this network ({error}): use engine 'torch'"
            ) from error
