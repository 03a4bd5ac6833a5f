"""The short floats that a device multiplies in hardware; elsewhere they are slower than float32."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it, else float16 on GPUs and float32 on CPUs.

    CPUs have bfloat16 with AMX or AVX-512 BF16, NVIDIA's GPUs from Ampere on; torch would emulate
    it on older ones, many times slower.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bfloat16 else torch.float16
    has_bfloat16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.bfloat16 if has_bfloat16 else torch.float32


def mixed_precision(device: torch.device) -> AbstractContextManager[Any]:
    """For training: bfloat16 where the hardware has it, else float32.

    bfloat16 keeps float32's range, so losses need no scaling; float16 would.
    """
    if fast_dtype(device) == torch.bfloat16:
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
