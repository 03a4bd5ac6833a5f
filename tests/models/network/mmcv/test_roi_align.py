"""RoIAlign on maps whose pooled values are known, and against finite differences."""

import pytest
import torch
from mmcv.ops import roi_align

from models.errors import UnsupportedOpError


def test_bins_of_a_slope_hold_its_value_at_their_middle() -> None:
    x = torch.arange(20.0).expand(1, 1, 20, 20).contiguous()
    rois = torch.tensor([[0.0, 2, 3, 10, 7]])
    out = roi_align(x, rois, (2, 4), 1.0, 2, "avg", True)
    # Bins are 2 px wide; pixel 0 has its centre at 0.5.
    torch.testing.assert_close(out[0, 0], torch.tensor([[2.5, 4.5, 6.5, 8.5]] * 2))


def test_no_regions_give_an_empty_result() -> None:
    out = roi_align(torch.ones(1, 3, 8, 8), torch.zeros(0, 5), (2, 2), 1.0, 2, "avg", True)
    assert out.shape == (0, 3, 2, 2)


def test_a_region_without_area_gives_zeros() -> None:
    rois = torch.tensor([[0.0, 4, 4, 4, 4]])
    out = roi_align(torch.ones(1, 1, 8, 8), rois, (2, 2), 1.0, 0, "avg", True)
    assert not out.any()


def test_its_gradient_passes_finite_differences() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor([[0, 1.2, 0.3, 4.1, 5.2], [1, 0, 0, 3, 9]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a: roi_align(a, rois, (2, 2), 1.0, 2), (x,))


def test_the_derivative_of_maxima_is_refused_by_name() -> None:
    x = torch.randn(1, 1, 6, 6, requires_grad=True)
    out = roi_align(x, torch.tensor([[0.0, 1, 1, 4, 4]]), (2, 2), 1.0, 2, "max")
    with pytest.raises(UnsupportedOpError, match=r"roi_align_backward.*pool_mode='avg'"):
        out.sum().backward()
