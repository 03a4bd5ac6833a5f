"""Frozen stages of a backbone as an OpenVINO graph while the others learn on a CPU.

They only ever run forwards, so they need no torch: on crops of 448 px they take 0.04 instead of
0.21 s of an iteration's 0.95 s (EfficientNet-Lite0, batches of 4, one core with AMX).
"""

import copy
import warnings

import numpy as np
import torch
from torch import Tensor, nn

from models.inference.precision import fast_dtype


def speed_up_frozen_stages(backbone: nn.Module, device: torch.device, size: torch.Size) -> bool:
    """Lets OpenVINO run what is frozen, on batches of this size; others run as before.

    Args:
        backbone: an EfficientNetLite with frozen stages; any other is left as it is.
        device: that it learns on; only CPUs with bfloat16 gain.
        size: (B, 3, S, S) of the batches.

    Returns:
        Whether it will.
    """
    layers: list[nn.Module] = getattr(backbone, "frozen_layers", [])
    if not layers or device.type != "cpu" or fast_dtype(device) != torch.bfloat16:
        return False
    # mypy takes what a module is given for a tensor or a module.
    backbone.run_frozen = FrozenGraph(nn.Sequential(*layers), size)  # type: ignore[assignment]
    return True


class FrozenGraph:
    """Layers in bfloat16 in OpenVINO, with the weights they have now.

    Args:
        layers: from (B, 3, S, S) to one map of features.
        size: of the pixels.
    """

    def __init__(self, layers: nn.Module, size: torch.Size) -> None:
        import openvino

        self._size = size
        still = copy.deepcopy(layers).float().eval()
        # The converter traces by a way that torch has deprecated, and says so each time.
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            example = torch.zeros(size)
            model = openvino.convert_model(still, example_input=example, input=[tuple(size)])
        options = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._compiled = openvino.Core().compile_model(model, "CPU", options)

    def __call__(self, pixels: Tensor) -> Tensor | None:
        """Features (B, C, S / s, S / s) in bfloat16, or None for pixels of another size."""
        if pixels.shape != self._size:
            return None
        features = self._compiled(np.ascontiguousarray(pixels.float().numpy()))[0]
        # A copy: the engine writes its next features over these.
        return torch.from_numpy(features).to(
            torch.bfloat16, memory_format=torch.channels_last, copy=True
        )
