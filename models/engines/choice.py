"""Chooses what runs a network: torch, or OpenVINO on CPUs."""

from typing import Literal

import torch
from torch import nn

from models.bundle import BundleModel
from models.detector import Detector
from models.engines.openvino import OpenVinoForward
from models.engines.torch import TorchForward
from models.errors import BundleError
from models.network_detector import NetworkDetector


def make_detector(
    model: BundleModel,
    network: nn.Module,
    engine: Literal["auto", "torch", "openvino"] = "auto",
    device: str = "auto",
    min_score: float | None = None,
    full_precision: bool = False,
) -> Detector:
    """The detector of a network with its weights.

    Runs in bfloat16 where the hardware has it, unless `full_precision` asks for float32.

    Raises:
        BundleError: the device is not there, or OpenVINO is asked to run on a GPU.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() and engine != "openvino" else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise BundleError("device 'cuda' is asked for, but torch sees no GPU: use 'cpu'")
    if engine == "auto":
        engine = "openvino" if device == "cpu" else "torch"
    if engine == "openvino":
        if device != "cpu":
            raise BundleError(f"engine 'openvino' runs on the CPU, not on {device!r}: use 'torch'")
        return NetworkDetector(
            model, network, OpenVinoForward(network, model.input, full_precision), min_score
        )
    return NetworkDetector(
        model, network, TorchForward(network, model.input, device, full_precision), min_score
    )
