"""Layer norm over the channels of one position: no statistics over the picture.

Group norm takes its mean and variance over the whole tile, so what it says of a cell depends on
what lies around it and on where tiles are cut. Here each position is normalised by itself.

Source: Li et al., "Positional Normalization", NeurIPS 2019; Liu et al., "A ConvNet for the 2020s",
CVPR 2022, whose layer norm of images this is.
"""

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional


@MODELS.register_module("LN2d")
class PositionNorm(nn.Module):
    """Mean 0 and variance 1 over the channels of every position, then a scale and a shift.

    Args:
        num_features: C.
        eps: added to the variance.
    """

    _abbr_ = "ln"

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """From (B, C, H, W) to the same shape."""
        last = x.permute(0, 2, 3, 1)
        normed = functional.layer_norm(last, (last.shape[-1],), self.weight, self.bias, self.eps)
        return normed.permute(0, 3, 1, 2)
