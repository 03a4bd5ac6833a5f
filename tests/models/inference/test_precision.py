"""Short floats only where the hardware multiplies them; a GPU is not asked to emulate them."""

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch

from models.inference.precision import fast_dtype, mixed_precision

GPU = torch.device("cuda:1")


@pytest.mark.filterwarnings("ignore:CUDA is not available")
@pytest.mark.parametrize(
    ("has_bfloat16", "dtype"), [(True, torch.bfloat16), (False, torch.float16)]
)
def test_a_gpu_that_would_emulate_bfloat16_gets_float16(
    monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool, dtype: torch.dtype
) -> None:
    current: list[torch.device] = []

    def choose(device: torch.device) -> AbstractContextManager[None]:
        current.append(device)
        return nullcontext()

    def is_supported(including_emulation: bool = True) -> bool:
        return including_emulation or has_bfloat16

    monkeypatch.setattr(torch.cuda, "device", choose)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert fast_dtype(GPU) == dtype
    assert current == [GPU]
    # Losses would need scaling in float16.
    assert isinstance(mixed_precision(GPU), torch.autocast) == has_bfloat16


def test_a_cpu_multiplies_bfloat16_or_keeps_float32() -> None:
    has_bfloat16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    expected = torch.bfloat16 if has_bfloat16 else torch.float32
    assert fast_dtype(torch.device("cpu")) == expected
