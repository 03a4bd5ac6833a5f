"""Sigmoid focal loss and its derivative, as in mmcv's compiled operation.

Source: Lin et al., "Focal loss for dense object detection", ICCV 2017. Shape letters: N, C classes.
"""

import torch
from torch import Tensor
from torch.nn import functional


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fills `output` (N, C) with the loss of logits (N, C) for labels (N,), C = background."""
    output.copy_(_focal_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fills `grad_input` (N, C) with the derivative of each term by its own logit."""
    with torch.enable_grad():
        logit = input.detach().requires_grad_()
        (grad,) = torch.autograd.grad(_focal_loss(logit, target, weight, gamma, alpha).sum(), logit)
    grad_input.copy_(grad)


def _focal_loss(
    logit: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    num_classes = logit.shape[1]
    is_class = functional.one_hot(target, num_classes + 1)[:, :num_classes].bool()
    p = torch.sigmoid(logit)
    positive = -alpha * (1 - p) ** gamma * functional.logsigmoid(logit)
    negative = -(1 - alpha) * p**gamma * functional.logsigmoid(-logit)
    loss = torch.where(is_class, positive, negative)
    if weight.numel():
        loss = loss * weight[target.clamp(max=num_classes - 1)][:, None]
    return loss
