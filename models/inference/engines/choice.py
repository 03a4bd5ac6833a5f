"""Chooses what runs a network: torch, or OpenVINO on CPUs."""

from typing import Literal

import torch
from torch import nn

from models.bundle.description import BundleModel
from models.detector import Detector
from models.errors import BundleError
from models.inference.engines.graph import Forward
from models.inference.engines.openvino import NotConvertibleError, OpenVinoForward
from models.inference.engines.torch import TorchForward
from models.inference.network_detector import NetworkDetector

EngineName = Literal["auto", "torch", "openvino"]


def make_detector(
    model: BundleModel,
    network: nn.Module,
    engine: EngineName = "auto",
    device: str = "auto",
    min_score: float | None = None,
    full_precision: bool = False,
) -> Detector:
    """The detector of a network with its weights.

    Runs in bfloat16 where the hardware has it, unless `full_precision` asks for float32. "auto" is
    OpenVINO on a CPU, and torch on a GPU or where OpenVINO cannot convert the network.

    Raises:
        BundleError: the device is not there, OpenVINO is asked to run on a GPU or cannot convert
            the network, or the network does not fit the model.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() and engine != "openvino" else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise BundleError("device 'cuda' is asked for, but torch sees no GPU: use 'cpu'")
    if engine == "openvino" and device != "cpu":
        raise BundleError(f"engine 'openvino' runs on the CPU, not on {device!r}: use 'torch'")
    forward = _make_forward(model, network, engine, device, full_precision)
    return NetworkDetector(model, network, forward, min_score)


def _make_forward(
    model: BundleModel, network: nn.Module, engine: EngineName, device: str, full_precision: bool
) -> Forward:
    if engine != "torch" and device == "cpu":
        try:
            return OpenVinoForward(network, model.input, full_precision)
        except NotConvertibleError:
            # Which engine runs is in the detector's info, and so in every report.
            if engine == "openvino":
                raise
    return TorchForward(network, model.input, device, full_precision)
