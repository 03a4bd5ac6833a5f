"""Every stand-in gives the numbers of mmcv's compiled operation.

`tests/models/recorded/mmcv_ops.npz` was recorded once, through mmcv's own Python wrappers, from the
CPU operations of onedl-mmcv 2.3.6. Sigmoid focal loss has no CPU operation; it is tested against
its formula.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.ops import deform_conv2d, nms, roi_align
from torch import Tensor

RECORDED = Path(__file__).parent / "recorded" / "mmcv_ops.npz"


def read(name: str) -> dict[str, Tensor]:
    with np.load(RECORDED) as file:
        keys = [key for key in file.files if key.startswith(name + "/")]
        return {key.split("/")[1]: torch.from_numpy(file[key]) for key in keys}


def assert_same(actual: Tensor | None, expected: Tensor) -> None:
    assert actual is not None
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
def test_nms_keeps_the_same_boxes_in_the_same_order(threshold: float, offset: int) -> None:
    known = read("nms")
    indices = nms(known["boxes"], known["scores"], threshold, offset)[1]
    assert torch.equal(indices, known[f"kept_{threshold}_{offset}"])
    assert 0 < len(indices) < 200


@pytest.mark.parametrize("case", range(3))
def test_deformable_convolution_and_its_derivatives_are_the_same(case: int) -> None:
    known = read(f"deform_conv_{case}")
    x, offset, weight = (known[key].requires_grad_() for key in ("x", "offset", "weight"))
    out = deform_conv2d(x, offset, weight, *known["how"].tolist())
    out.backward(known["up"])
    assert_same(out, known["y"])
    assert_same(x.grad, known["dx"])
    assert_same(offset.grad, known["doffset"])
    assert_same(weight.grad, known["dweight"])


@pytest.mark.parametrize("case", range(4))
def test_roi_align_and_its_derivative_are_the_same(case: int) -> None:
    known = read(f"roi_align_{case}")
    scale, ratio, is_mean, aligned = known["how"].tolist()
    x = known["x"].requires_grad_()
    mode = "avg" if is_mean else "max"
    out = roi_align(x, known["rois"], (4, 3), scale, int(ratio), mode, bool(aligned))
    assert_same(out, known["y"])
    if is_mean:
        out.backward(known["up"])
        assert_same(x.grad, known["dx"])
