"""bfloat16 where it is multiplied in hardware; elsewhere it is slower than float32."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def has_bfloat16(device: torch.device) -> bool:
    """True on GPUs and on CPUs with AMX or AVX-512 BF16."""
    if device.type == "cuda":
        return True
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def mixed_precision(device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 where the hardware has it: it keeps float32's range, so losses need no scaling."""
    if has_bfloat16(device):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
