"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6, made for CPUs.

Source: Tan and Le, "EfficientNet", ICML 2019, arXiv 1905.11946; the Lite variants of March 2020 as
in the TPU repository. Weights learned on ImageNet are put in by `models/training/pretrained.py`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from mmcv.cnn import ConvModule
from mmdet.models.layers import InvertedResidual
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from mmengine.registry import MODELS as LAYERS
from torch import Tensor, nn
from torch.nn import functional

STEM_CHANNELS = 32
CONV_CFG = {"type": "LiteConv2d"}
NORM_CFG = {"type": "BN", "eps": 1e-3, "momentum": 0.03}
ACT_CFG = {"type": "ReLU6"}


@dataclass(frozen=True)
class Stage:
    """Blocks of one width.

    Attributes:
        kernel_size: of the depthwise convolution.
        stride: of the first block.
        expand_ratio: of inner to input channels.
        channels: of the output.
        num_blocks: at depth 1.
    """

    kernel_size: int
    stride: int
    expand_ratio: int
    channels: int
    num_blocks: int


#: EfficientNet-Lite0; the strides of their outputs are 2, 4, 8, 16, 16, 32, 32.
STAGES = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)
#: Factors on width and depth.
VARIANTS = {"lite0": (1.0, 1.0), "lite2": (1.1, 1.2)}


@LAYERS.register_module()
class LiteConv2d(nn.Conv2d):
    """A convolution with TensorFlow's padding, with which the ImageNet weights were learned.

    At stride 2 it pads an extra pixel below and to the right, as TensorFlow does for even sides;
    all tiles have even sides. mmcv's Conv2dAdaptivePadding also works for odd sides, but makes all
    sizes constants of OpenVINO's graph. Depthwise convolutions learn four times as fast in float32
    as in bfloat16 on CPUs (torch 2.13: 0.036 s against 0.138 s backward, 8 x 144 x 96 x 96, 5 x 5,
    two cores).
    """

    def forward(self, x: Tensor) -> Tensor:
        """From (B, C, H, W) to (B, C', H / stride, W / stride)."""
        padding = self.kernel_size[0] // 2
        if self.stride[0] == 2:
            x = functional.pad(x, (padding - 1, padding, padding - 1, padding))
            padding = 0
        if self.groups == 1 or not (self.training and x.device.type == "cpu"):
            return self._convolve(x, padding)
        with torch.autocast("cpu", enabled=False):
            return self._convolve(x.float(), padding)

    def _convolve(self, x: Tensor, padding: int) -> Tensor:
        return functional.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)


@MODELS.register_module()
class EfficientNetLite(BaseModule):  # type: ignore[misc]
    """Features of EfficientNet-Lite's stages.

    Args:
        variant: "lite0" or "lite2".
        out_stages: indices, 0 to 6, of the stages whose outputs are returned; later stages are not
            built.
        frozen_stages: number of stages that are not trained, besides the stem; -1 freezes nothing.

    Raises:
        ValueError: no such variant or stage.
    """

    def __init__(
        self,
        variant: str = "lite0",
        out_stages: tuple[int, ...] = (2, 4, 6),
        frozen_stages: int = -1,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant {variant!r} must be one of {', '.join(VARIANTS)}")
        if not out_stages or not set(out_stages) <= set(range(len(STAGES))):
            raise ValueError(f"out_stages {out_stages} must be of 0 to {len(STAGES) - 1}")
        width, depth = VARIANTS[variant]
        self.variant = variant
        self.out_stages = tuple(sorted(out_stages))
        self.stem = ConvModule(
            3, STEM_CHANNELS, 3, 2, conv_cfg=CONV_CFG, norm_cfg=NORM_CFG, act_cfg=ACT_CFG
        )
        self.stages = nn.ModuleList()
        channels = STEM_CHANNELS
        for index, stage in enumerate(STAGES[: self.out_stages[-1] + 1]):
            # The outermost stages keep their depth in every Lite variant.
            is_outer = index in (0, len(STAGES) - 1)
            num_blocks = stage.num_blocks if is_outer else math.ceil(stage.num_blocks * depth)
            out_channels = round_channels(stage.channels, width)
            blocks = []
            for block in range(num_blocks):
                stride = stage.stride if block == 0 else 1
                blocks.append(_make_block(stage, channels, out_channels, stride))
                channels = out_channels
            self.stages.append(nn.Sequential(*blocks))
        self._frozen = [] if frozen_stages < 0 else [self.stem, *self.stages[:frozen_stages]]
        #: What runs `frozen_layers` while training in their stead; None where it cannot.
        self.run_frozen: Callable[[Tensor], Tensor | None] | None = None
        for layers in self._frozen:
            layers.requires_grad_(False)

    def train(self, mode: bool = True) -> "EfficientNetLite":
        """Frozen stages stay in evaluation mode."""
        super().train(mode)
        for layers in self._frozen:
            layers.eval()
        return self

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """From (B, 3, H, W) to (B, C_i, H / s_i, W / s_i) for each of `out_stages`."""
        x = self.run_frozen(pixels) if self.run_frozen and self.training else None
        first = 0 if x is None else len(self._frozen) - 1
        x = self.stem(pixels) if x is None else x
        outputs = []
        for index, stage in enumerate(self.stages[first:], first):
            x = stage(x)
            if index in self.out_stages:
                outputs.append(x)
        return tuple(outputs)

    @property
    def frozen_layers(self) -> list[nn.Module]:
        """Those that learn nothing, in order; none if the output of one of them is asked for."""
        return [] if self.out_stages[0] < len(self._frozen) - 1 else list(self._frozen)


def round_channels(channels: int, width: float) -> int:
    """Channels times the width factor, rounded to a multiple of 8 that is at most 10 % smaller."""
    exact = channels * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def _make_block(stage: Stage, channels: int, out_channels: int, stride: int) -> nn.Module:
    block: nn.Module = InvertedResidual(
        channels,
        out_channels,
        mid_channels=channels * stage.expand_ratio,
        kernel_size=stage.kernel_size,
        stride=stride,
        with_expand_conv=stage.expand_ratio != 1,
        conv_cfg=CONV_CFG,
        norm_cfg=NORM_CFG,
        act_cfg=ACT_CFG,
    )
    return block
