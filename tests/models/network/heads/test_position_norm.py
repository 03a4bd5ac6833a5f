"""Position norm: what a position becomes depends on nothing beside it."""

import pytest
import torch

from models.network.heads.position_norm import PositionNorm


def test_each_position_gets_mean_0_and_variance_1() -> None:
    torch.manual_seed(0)
    y = PositionNorm(32)(3 + 5 * torch.randn(2, 32, 4, 6))
    assert y.shape == (2, 32, 4, 6)
    torch.testing.assert_close(y.mean(dim=1), torch.zeros(2, 4, 6), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(dim=1, correction=0), torch.ones(2, 4, 6), atol=1e-4, rtol=0)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_part_of_a_picture_gives_the_same_as_the_whole(
    memory_format: torch.memory_format,
) -> None:
    torch.manual_seed(0)
    norm = PositionNorm(8)
    x = torch.randn(1, 8, 10, 12).contiguous(memory_format=memory_format)
    torch.testing.assert_close(norm(x)[:, :, 2:7, 3:9], norm(x[:, :, 2:7, 3:9]))


def test_scale_and_shift_are_by_channel() -> None:
    norm = PositionNorm(4)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))
    x = torch.tensor([1.0, -1.0, 1.0, -1.0]).reshape(1, 4, 1, 1)
    expected = torch.tensor([1.0, -1.0, 3.0, -4.0]).reshape(1, 4, 1, 1)
    torch.testing.assert_close(norm(x), expected, atol=1e-4, rtol=0)
