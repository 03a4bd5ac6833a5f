"""EfficientNet-Lite has the published widths and strides, and can freeze its first stages."""

import pytest
import torch
from torch import nn

from models.network.backbones.efficientnet_lite import EfficientNetLite


@pytest.mark.parametrize(
    ("variant", "channels"), [("lite0", (40, 112, 320)), ("lite2", (48, 120, 352))]
)
def test_stages_have_the_published_widths_and_strides(
    variant: str, channels: tuple[int, ...]
) -> None:
    backbone = EfficientNetLite(variant=variant, out_stages=(2, 4, 6)).eval()
    with torch.inference_mode():
        levels = backbone(torch.zeros(1, 3, 64, 96))
    expected = [
        (1, width, 64 // s, 96 // s) for width, s in zip(channels, (8, 16, 32), strict=True)
    ]
    assert [tuple(level.shape) for level in levels] == expected


def test_later_stages_are_left_out() -> None:
    backbone = EfficientNetLite(out_stages=(4,))
    assert len(backbone.stages) == 5


def test_frozen_stages_learn_nothing_and_keep_their_statistics() -> None:
    backbone = EfficientNetLite(out_stages=(2, 4), frozen_stages=2).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    optimiser = torch.optim.SGD(backbone.parameters(), lr=0.1)
    sum(level.square().sum() for level in backbone(torch.randn(2, 3, 64, 64))).backward()
    optimiser.step()
    changed = {key for key, value in backbone.state_dict().items() if not value.equal(before[key])}
    frozen = ("stem.", "stages.0.", "stages.1.")
    assert not any(key.startswith(frozen) for key in changed)
    assert any(key.startswith("stages.2.") and "running_mean" in key for key in changed)


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_is_that_of_tensorflow_on_even_sides(kernel_size: int, stride: int) -> None:
    backbone = EfficientNetLite(out_stages=(2,))
    modules = [module for module in backbone.modules() if isinstance(module, nn.Conv2d)]
    geometry = ((kernel_size,) * 2, (stride,) * 2)
    convolutions = [conv for conv in modules if (conv.kernel_size, conv.stride) == geometry]
    assert convolutions
    conv = convolutions[0].eval()
    x = torch.randn(1, conv.in_channels, 32, 32)
    # TensorFlow pads by what is missing in total, the smaller half before.
    missing = (32 // stride - 1) * stride + kernel_size - 32
    before, after = missing // 2, missing - missing // 2
    padded = nn.functional.pad(x, (before, after, before, after))
    expected = nn.functional.conv2d(padded, conv.weight, None, conv.stride, groups=conv.groups)
    torch.testing.assert_close(conv(x), expected)


@pytest.mark.parametrize(
    "arguments", [{"variant": "lite9"}, {"out_stages": (7,)}, {"out_stages": ()}]
)
def test_an_unknown_variant_or_stage_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"variant|out_stages"):
        EfficientNetLite(**arguments)
