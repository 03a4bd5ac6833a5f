"""Deformable convolution, first version, forward and backward, as mmcv's compiled operation.

Source: Dai et al., "Deformable convolutional networks", ICCV 2017. Shape letters: B batch, C and O
channels in and out, G deformable groups, K kernel positions, H W in, P Q out.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Geometry:
    """Where a kernel looks; pairs are (y, x)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    deform_groups: int


def deform_conv2d(input: Tensor, offset: Tensor, weight: Tensor, how: Geometry) -> Tensor:
    """Convolution whose every tap is moved by an offset.

    Args:
        input: (B, C, H, W).
        offset: (B, G * K * 2, P, Q), px of the input, y before x.
        weight: (O, C / groups, kernel height, kernel width).
        how: geometry.

    Returns:
        (B, O, P, Q); samples are bilinear, zero outside the input.
    """
    # In half precision a position would be off by up to a quarter of a pixel on a map of 64.
    precise = torch.promote_types(input.dtype, torch.float32)
    input, offset, weight = input.to(precise), offset.to(precise), weight.to(precise)
    batch, channels, height, width = input.shape
    out_height, out_width = offset.shape[2:]
    deform_groups, taps = how.deform_groups, how.kernel[0] * how.kernel[1]
    moved = offset.view(batch * deform_groups, taps, 2, out_height, out_width)
    grouped = input.reshape(batch * deform_groups, channels // deform_groups, height, width)
    y0 = torch.arange(out_height, device=input.device) * how.stride[0] - how.padding[0]
    x0 = torch.arange(out_width, device=input.device) * how.stride[1] - how.padding[1]
    columns = []
    for tap in range(taps):
        row, column = divmod(tap, how.kernel[1])
        y = (y0 + row * how.dilation[0])[:, None] + moved[:, tap, 0]
        x = (x0 + column * how.dilation[1])[None, :] + moved[:, tap, 1]
        # Pixel centres of grid_sample without aligned corners, also right for a side of one pixel.
        grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
        sampled = functional.grid_sample(grouped, grid, padding_mode="zeros", align_corners=False)
        columns.append(sampled.reshape(batch, channels, out_height, out_width))
    stacked = torch.stack(columns, dim=2)
    per_group = stacked.reshape(batch, how.groups, -1, out_height * out_width)
    kernel = weight.reshape(how.groups, weight.shape[0] // how.groups, -1)
    out = torch.einsum("bgip,goi->bgop", per_group, kernel)
    return out.reshape(batch, weight.shape[0], out_height, out_width)


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **numbers: Any,
) -> None:
    """Fills `output` (B, O, P, Q); `columns` and `ones` are buffers that are not needed here."""
    output.copy_(deform_conv2d(input, offset, weight, _geometry(numbers)))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **numbers: Any,
) -> None:
    """Fills `grad_input` and `grad_offset`, shaped as input and offset."""
    with torch.enable_grad():
        x, moved = input.detach().requires_grad_(), offset.detach().requires_grad_()
        out = deform_conv2d(x, moved, weight.detach(), _geometry(numbers))
        by_input, by_offset = torch.autograd.grad(out, (x, moved), grad_output.to(out.dtype))
    grad_input.copy_(by_input)
    grad_offset.copy_(by_offset)


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    *,
    scale: float,
    **numbers: Any,
) -> None:
    """Adds `scale` times the derivative by the weight to `grad_weight`."""
    with torch.enable_grad():
        parameter = torch.zeros_like(grad_weight).requires_grad_()
        out = deform_conv2d(input.detach(), offset.detach(), parameter, _geometry(numbers))
        (by_weight,) = torch.autograd.grad(out, parameter, grad_output.to(out.dtype))
    grad_weight.add_(by_weight, alpha=scale)


def _geometry(numbers: dict[str, Any]) -> Geometry:
    return Geometry(
        kernel=(numbers["kH"], numbers["kW"]),
        stride=(numbers["dH"], numbers["dW"]),
        padding=(numbers["padH"], numbers["padW"]),
        dilation=(numbers["dilationH"], numbers["dilationW"]),
        groups=numbers["group"],
        deform_groups=numbers["deformable_group"],
    )
