"""Deformable convolution against plain convolution, a direct sum, and finite differences."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.network.mmcv.deform_conv import Geometry, deform_conv2d


def geometry(groups: int = 1, deform_groups: int = 1, stride: int = 1) -> Geometry:
    return Geometry((3, 3), (stride, stride), (1, 1), (1, 1), groups, deform_groups)


@pytest.mark.parametrize(("groups", "stride"), [(1, 1), (2, 1), (1, 2)])
def test_without_offsets_it_is_a_convolution(groups: int, stride: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 4, 7, 6), torch.randn(6, 4 // groups, 3, 3)
    expected = functional.conv2d(x, weight, padding=1, stride=stride, groups=groups)
    offset = torch.zeros(2, 18, *expected.shape[2:])
    out = deform_conv2d(x, offset, weight, geometry(groups, stride=stride))
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


def test_with_offsets_it_is_the_sum_its_paper_defines() -> None:
    torch.manual_seed(1)
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64)
    offset = torch.randn(1, 2 * 18, 5, 4, dtype=torch.float64) * 1.7
    out = deform_conv2d(x, offset, weight, geometry(deform_groups=2))
    torch.testing.assert_close(out, _direct_sum(x, offset, weight), rtol=1e-8, atol=1e-10)


def _direct_sum(x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    """Every channel is a deformable group of its own."""
    out = torch.zeros(1, weight.shape[0], *x.shape[2:], dtype=x.dtype)
    for row in range(x.shape[2]):
        for column in range(x.shape[3]):
            for tap in range(9):
                for channel in range(x.shape[1]):
                    at = (channel * 9 + tap) * 2
                    y = row - 1 + tap // 3 + float(offset[0, at, row, column])
                    z = column - 1 + tap % 3 + float(offset[0, at + 1, row, column])
                    value = _bilinear(x[0, channel], y, z)
                    out[0, :, row, column] += weight[:, channel, tap // 3, tap % 3] * value
    return out


def _bilinear(plane: Tensor, y: float, x: float) -> float:
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                total += float(plane[row, column]) * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def test_mmcv_runs_it_forward_and_backward() -> None:
    from mmcv.ops import DeformConv2d

    torch.manual_seed(2)
    layer = DeformConv2d(2, 3, 3, padding=1).double()
    x = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    # Away from whole numbers, where bilinear sampling has a kink.
    offset = (torch.rand(2, 18, 4, 5, dtype=torch.float64) * 0.8 + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b, w: _run(layer, a, b, w), (x, offset, layer.weight), atol=1e-6
    )


def _run(layer: torch.nn.Module, x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    from mmcv.ops import deform_conv2d as mmcv_deform_conv2d

    out: Tensor = mmcv_deform_conv2d(x, offset, weight, 1, 1, 1, 1, 1)
    return out


def test_offsets_in_half_precision_do_not_move_the_samples() -> None:
    torch.manual_seed(4)
    x, weight = torch.randn(1, 2, 64, 64), torch.randn(2, 2, 3, 3)
    offset = torch.zeros(1, 18, 64, 64)
    exact = deform_conv2d(x.bfloat16().float(), offset, weight.bfloat16().float(), geometry())
    half = deform_conv2d(x.bfloat16(), offset.bfloat16(), weight.bfloat16(), geometry())
    torch.testing.assert_close(half.float(), exact, rtol=1e-4, atol=1e-4)


def test_mmcv_trains_it_in_half_precision() -> None:
    from mmcv.ops import DeformConv2d

    layer = DeformConv2d(2, 3, 3, padding=1).bfloat16()
    x = torch.randn(2, 2, 4, 5, dtype=torch.bfloat16, requires_grad=True)
    offset = torch.zeros(2, 18, 4, 5, dtype=torch.bfloat16, requires_grad=True)
    layer(x, offset).sum().backward()
    assert x.grad is not None
    assert offset.grad is not None
    assert x.grad.dtype == offset.grad.dtype == layer.weight.grad.dtype == torch.bfloat16
