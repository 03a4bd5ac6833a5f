"""Which devices and engines may be asked for, and whether this machine has them.

Names are checked without torch, so that a server refuses a wrong one at once.
"""

import re
from typing import Literal

from models.errors import BundleError

EngineName = Literal["auto", "torch", "openvino"]
DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
DEVICES = "auto, cpu, cuda, or cuda:0, cuda:1 and so on for one GPU of several"


def check_device(engine: EngineName, device: str) -> None:
    """Refuses what cannot be used; loads torch only where a GPU is asked for.

    Raises:
        BundleError: the device has no such name, is not there, or the engine does not run on it.
    """
    if not DEVICE.fullmatch(device):
        raise BundleError(f"there is no device {device[:40]!r}: use {DEVICES}")
    if not device.startswith("cuda"):
        return
    if engine == "openvino":
        raise BundleError(f"engine 'openvino' runs on the CPU, not on {device!r}: use 'torch'")
    import torch

    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if num_gpus == 0:
        raise BundleError(f"device {device!r} is asked for, but torch sees no GPU: use 'cpu'")
    index = int(device.partition(":")[2] or 0)
    if index >= num_gpus:
        raise BundleError(
            f"device {device!r} is asked for, but the last of {num_gpus} is 'cuda:{num_gpus - 1}'"
        )


def choose_device(engine: EngineName, device: str) -> str:
    """The device to run on: "cpu", "cuda" or "cuda:N".

    Args:
        engine: OpenVINO runs on CPUs alone.
        device: "auto" is a GPU where there is one.

    Raises:
        BundleError: see `check_device`.
    """
    check_device(engine, device)
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() and engine != "openvino" else "cpu"
