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
    """Which positions a kernel reads; pairs are (y, x)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    deform_groups: int


def deform_conv2d(input: Tensor, offset: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Convolution whose every tap is moved by an offset.

    Args:
        input: (B, C, H, W).
        offset: (B, G * K * 2, P, Q), px of the input, y before x.
        weight: (O, C / groups, kernel height, kernel width).
        geometry: kernel, stride, padding, dilation and groups.

    Returns:
        (B, O, P, Q); samples are bilinear, zero outside the input.
    """
    # In half precision a position would be off by up to a quarter of a pixel on a map of 64.
    precise = torch.promote_types(input.dtype, torch.float32)
    input, offset, weight = input.to(precise), offset.to(precise), weight.to(precise)
    columns = _sample_taps(input, offset, geometry)
    per_group = columns.reshape(*columns.shape[:2], geometry.groups, -1)
    kernel = weight.reshape(
        geometry.groups, weight.shape[0] // geometry.groups, per_group.shape[-1]
    )
    out = torch.einsum("bpgi,goi->bgop", per_group, kernel)
    return out.reshape(input.shape[0], weight.shape[0], *offset.shape[2:])


def _sample_taps(input: Tensor, offset: Tensor, geometry: Geometry) -> Tensor:
    """(B, P * Q, C * K): every channel's K samples for every output position."""
    batch, channels, height, width = input.shape
    out_height, out_width = offset.shape[2:]
    deform_groups, taps = geometry.deform_groups, geometry.kernel[0] * geometry.kernel[1]
    moved = offset.reshape(batch * deform_groups, taps, 2, out_height, out_width)
    tap = torch.arange(taps, device=input.device)[:, None, None]
    row = torch.div(tap, geometry.kernel[1], rounding_mode="floor") * geometry.dilation[0]
    column = tap % geometry.kernel[1] * geometry.dilation[1]
    y0 = torch.arange(out_height, device=input.device) * geometry.stride[0] - geometry.padding[0]
    x0 = torch.arange(out_width, device=input.device) * geometry.stride[1] - geometry.padding[1]
    y, x = moved[:, :, 0] + y0[:, None] + row, moved[:, :, 1] + x0 + column
    # A row per pixel with its channels side by side: a sample is the weighted sum of four rows.
    pixels = input.reshape(batch * deform_groups, -1, height * width).transpose(1, 2)
    sampled = _sample_bilinear(pixels.flatten(0, 1), y.flatten(1), x.flatten(1), height, width)
    sampled = sampled.reshape(batch, deform_groups, taps, out_height * out_width, -1)
    return sampled.permute(0, 3, 1, 4, 2).reshape(batch, out_height * out_width, channels * taps)


def _sample_bilinear(pixels: Tensor, y: Tensor, x: Tensor, height: int, width: int) -> Tensor:
    """(M * N, C) samples of M maps' pixels (M * height * width, C) at y, x of shape (M, N)."""
    first = torch.arange(y.shape[0], device=y.device)[:, None] * (height * width)
    low_y, low_x = torch.floor(y.detach()), torch.floor(x.detach())
    rows, weights = [], []
    for corner_y, weight_y in ((low_y, 1 + low_y - y), (low_y + 1, y - low_y)):
        for corner_x, weight_x in ((low_x, 1 + low_x - x), (low_x + 1, x - low_x)):
            inside = (corner_y >= 0) & (corner_y < height) & (corner_x >= 0) & (corner_x < width)
            # Also false where an offset is NaN, which must never become an index.
            at = torch.where(inside, corner_y * width + corner_x, torch.zeros_like(x))
            rows.append(first + at.long())
            weights.append(weight_y * weight_x * inside)
    row, share = torch.stack(rows, dim=-1), torch.stack(weights, dim=-1)
    return functional.embedding_bag(
        row.reshape(-1, 4), pixels, per_sample_weights=share.reshape(-1, 4), mode="sum"
    )


def differentiable_deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    deform_groups: int,
    bias: bool = False,
    im2col_step: int = 32,
) -> Tensor:
    """`deform_conv2d` with the arguments of mmcv's `deform_conv2d`.

    mmcv's function calls three operations, forward and a backward for each gradient, each of which
    would sample again; here torch's autograd keeps the samples. It halves the time of a training
    step of RepPoints.
    """
    kernel = (weight.shape[2], weight.shape[3])
    geometry = Geometry(kernel, stride, padding, dilation, groups, deform_groups)
    return deform_conv2d(input, offset, weight, geometry).to(offset.dtype)


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **numbers: Any,
) -> None:
    """Fills `output` (B, O, P, Q); `columns` and `ones` are buffers that stay unused."""
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
