"""Targets and weights of dense heads, in any shape that mmdet passes, expanded to (N, C).

Shape letters: N proposals, C classes.
"""

import torch
from torch import Tensor
from torch.nn import functional


def spread_targets(target: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """One-hot targets, and a mask of those that are not ignored.

    Args:
        target: (N,) integers in [0, C] with C = background and < 0 ignored, or (N, C) one-hot,
            whose negative entries are ignored.
        shape: (N, C) of the logits.

    Returns:
        (N, C) of 0 and 1 in the target's dtype, and (N, C) bool, False where ignored.

    Raises:
        ValueError: the target fits neither shape, or holds a label above C.
    """
    num_classes = shape[1]
    if target.shape == shape:
        valid = target >= 0
        return torch.where(valid, target, torch.zeros_like(target)), valid
    if target.shape != shape[:1]:
        raise ValueError(
            f"target has shape {tuple(target.shape)}, but logits of shape {tuple(shape)} "
            f"need ({shape[0]},) labels or {tuple(shape)} one-hot"
        )
    if target.numel() and int(target.max()) > num_classes:
        raise ValueError(
            f"target holds label {int(target.max())}, but the background label is {num_classes}"
        )
    valid = (target >= 0)[:, None].expand(shape)
    one_hot = functional.one_hot(target.clamp(min=0).long(), num_classes + 1)[:, :num_classes]
    return one_hot, valid


def spread_weights(weight: Tensor | None, shape: torch.Size) -> Tensor | None:
    """Weights broadcastable to the logits: None, (N,) -> (N, 1), (N, C), or (N * C,) -> (N, C).

    With C = 1, (N,) is a weight per proposal, which equals (N * C,).

    Raises:
        ValueError: the weight fits none of these shapes.
    """
    if weight is None or weight.shape == shape:
        return weight
    if weight.shape == shape[:1]:
        return weight[:, None].expand(shape).float()
    if weight.numel() == shape.numel():
        return weight.reshape(shape)
    raise ValueError(
        f"weight has shape {tuple(weight.shape)}, but logits of shape {tuple(shape)} "
        f"need ({shape[0]},), {tuple(shape)} or ({shape.numel()},)"
    )
