"""Chooses what runs a network: torch, or OpenVINO on CPUs."""

from torch import nn

from models.bundle.description import BundleModel
from models.detector import Detector
from models.inference.devices import EngineName, choose_device
from models.inference.engines.graph import Forward
from models.inference.engines.openvino import NotConvertibleError, OpenVinoForward
from models.inference.engines.torch import TorchForward
from models.inference.network_detector import NetworkDetector


def make_detector(
    model: BundleModel,
    network: nn.Module,
    engine: EngineName = "auto",
    device: str = "auto",
    min_score: float | None = None,
    full_precision: bool = False,
) -> Detector:
    """The detector of a network with its weights.

    Runs in bfloat16 or float16 where the hardware has it, unless `full_precision` asks for float32.
    "auto" is OpenVINO on a CPU, and torch on a GPU or where OpenVINO cannot convert the network.

    Raises:
        BundleError: the device is not there, OpenVINO is asked to run on a GPU or cannot convert
            the network, or the network does not fit the model.
    """
    device = choose_device(engine, device)
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
