"""Whether bfloat16 is multiplied in hardware here; elsewhere it is slower than float32."""

import torch


def has_bfloat16(device: torch.device) -> bool:
    """True on GPUs and on CPUs with AMX or AVX-512 BF16."""
    if device.type == "cuda":
        return True
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
