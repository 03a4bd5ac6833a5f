"""The optimiser and its schedule: AdamW, linear warm-up, cosine to zero."""

import math
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR


def make_optimiser(network: nn.Module, lr: float, weight_decay: float) -> AdamW:
    """AdamW in which norms and biases do not decay."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    free = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": free, "weight_decay": 0.0}]
    return AdamW(groups, lr=lr, weight_decay=weight_decay, fused=torch.cuda.is_available())


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
