"""The optimiser and its schedule: AdamW, linear warm-up, cosine to zero."""

import math
from itertools import product
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from models.training.config import TrainSection


def make_optimiser(network: nn.Module, train: TrainSection) -> AdamW:
    """AdamW in which norms and biases do not decay, and the backbone may learn more slowly."""
    groups: list[dict[str, Any]] = []
    for is_backbone, is_vector in product((False, True), (False, True)):
        chosen = [
            parameter
            for name, parameter in network.named_parameters()
            if parameter.requires_grad
            and name.startswith("backbone.") == is_backbone
            and (parameter.ndim <= 1) == is_vector
        ]
        lr = train.lr * (train.backbone_lr_factor if is_backbone else 1.0)
        decay = 0.0 if is_vector else train.weight_decay
        if chosen:
            groups.append({"params": chosen, "lr": lr, "weight_decay": decay})
    return AdamW(groups, lr=train.lr, fused=torch.cuda.is_available())


def learning_rate_factor(progress: float, iteration: int, warmup_iterations: int) -> float:
    """Factor on the learning rate: rises over the warm-up, then half a cosine to zero.

    Args:
        progress: fraction of the run that is done, 0-1.
        iteration: counted from 0.
        warmup_iterations: may be 0.
    """
    warmup = min(1.0, (iteration + 1) / max(warmup_iterations, 1))
    return warmup * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def make_schedule(optimiser: AdamW, num_iterations: int, warmup_iterations: int) -> LambdaLR:
    """Schedule to be stepped once an iteration."""
    return LambdaLR(
        optimiser,
        lambda step: learning_rate_factor(step / num_iterations, step, warmup_iterations),
    )
