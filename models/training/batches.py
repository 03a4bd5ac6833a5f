"""Converts crops to the inputs of mmdet's networks: normalised pixels and data samples."""

from collections.abc import Sequence

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor


def normalise(pixels: Tensor, mean_rgb: Sequence[float], std_rgb: Sequence[float]) -> Tensor:
    """(B, 3, H, W) uint8 to float32 of about zero mean and unit variance, channels last."""
    mean = torch.tensor(mean_rgb, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(std_rgb, device=pixels.device).view(1, 3, 1, 1)
    return ((pixels.float() - mean) / std).contiguous(memory_format=torch.channels_last)


def make_data_samples(
    boxes: list[Tensor], labels: list[Tensor], size_px: int, device: torch.device
) -> list[DetDataSample]:
    """A data sample per crop: boxes (N, 4) xyxy px and labels (N,) as mmdet's losses read them."""
    samples = []
    for bbox, label in zip(boxes, labels, strict=True):
        shape = (size_px, size_px)
        sample = DetDataSample(
            metainfo={"img_shape": shape, "pad_shape": shape, "batch_input_shape": shape}
        )
        sample.gt_instances = InstanceData(bboxes=bbox.to(device), labels=label.to(device))
        samples.append(sample)
    return samples
