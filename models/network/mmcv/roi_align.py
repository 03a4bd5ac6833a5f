"""RoIAlign: pooling of regions on a feature map, forward and backward, as in compiled mmcv.

Source: He et al., "Mask R-CNN", ICCV 2017. Shape letters: N regions, B images, C channels, H W of
the map, P Q of the output.
"""

import math
from typing import Any

import torch
from torch import Tensor

from models.errors import UnsupportedOpError

MAX_POOL = 0


def roi_align(
    input: Tensor,
    rois: Tensor,
    size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> Tensor:
    """Bilinear samples of every region, pooled in bins.

    Args:
        input: (B, C, H, W).
        rois: (N, 5), index of the image, then xyxy in px of the image.
        size: (P, Q).
        spatial_scale: map px per image px.
        sampling_ratio: samples a bin and axis; 0 takes as many as the bin has pixels.
        pool_mode: 0 for the maximum of a bin's samples, 1 for their mean.
        aligned: pixel centres are at half pixels, which is right; False is the older convention.

    Returns:
        (N, C, P, Q); regions without area give zeros.
    """
    pooled = [input.new_zeros(0, input.shape[1], *size)]
    for region in rois.tolist():
        image = input[int(region[0])]
        x1, y1, x2, y2 = (value * spatial_scale - 0.5 * aligned for value in region[1:])
        min_side = 0.0 if aligned else 1.0
        rows = _samples(y1, max(y2 - y1, min_side), size[0], sampling_ratio, image.shape[1], image)
        columns = _samples(
            x1, max(x2 - x1, min_side), size[1], sampling_ratio, image.shape[2], image
        )
        if pool_mode == MAX_POOL and rows.shape[1] and columns.shape[1]:
            # (C, P, samples, Q, samples)
            sample = torch.einsum("pih,chw,qjw->cpiqj", rows, image, columns)
            pooled_region = sample.permute(0, 1, 3, 2, 4).flatten(3).max(dim=3).values
        else:
            # A mean of bilinear samples is a product of two matrices.
            count = max(rows.shape[1] * columns.shape[1], 1)
            pooled_region = rows.sum(1) @ image @ columns.sum(1).T / count
        pooled.append(pooled_region[None])
    return torch.cat(pooled)


def _samples(
    start: float, length: float, bins: int, sampling_ratio: int, side: int, like: Tensor
) -> Tensor:
    """(bins, samples, side): weight of each pixel in each sample, along one axis."""
    num = sampling_ratio if sampling_ratio > 0 else math.ceil(length / bins)
    step = torch.arange(bins * num, device=like.device, dtype=torch.float64)
    at = start + (step + 0.5) * (length / max(bins * num, 1))
    inside = (at >= -1) & (at <= side)
    pixel = torch.arange(side, device=like.device)
    share = (1 - (at.clamp(0, side - 1)[:, None] - pixel).abs()).clamp(min=0) * inside[:, None]
    return share.view(bins, num, side).to(like.dtype)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    **numbers: Any,
) -> None:
    """Fills `output` (N, C, P, Q); `argmax_*` are buffers that stay unused."""
    output.copy_(roi_align(input, rois, **_named(numbers)))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    **numbers: Any,
) -> None:
    """Fills `grad_input` (B, C, H, W).

    Raises:
        UnsupportedOpError: the pool mode is the maximum, whose derivative needs the input.
    """
    if numbers["pool_mode"] == MAX_POOL:
        raise UnsupportedOpError(
            "mmcv operation 'roi_align_backward' with pool_mode='max' needs mmcv's compiled "
            "extension: use pool_mode='avg', or build onedl-mmcv with MMCV_WITH_OPS=1"
        )
    with torch.enable_grad():
        x = torch.zeros_like(grad_input).requires_grad_()
        out = roi_align(x, rois, **_named(numbers))
        (by_input,) = torch.autograd.grad(out, x, grad_output.to(out.dtype))
    grad_input.copy_(by_input)


def _named(numbers: dict[str, Any]) -> dict[str, Any]:
    size = numbers["aligned_height"], numbers["aligned_width"]
    passed_on = ("spatial_scale", "sampling_ratio", "pool_mode", "aligned")
    return {"size": size} | {key: numbers[key] for key in passed_on}
