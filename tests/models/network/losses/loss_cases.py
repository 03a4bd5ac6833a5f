"""All dense sigmoid losses with settings for three classes, and small inputs for them."""

from typing import Any

import torch
from torch import Tensor

from models.network.losses.balance_libra import BalanceLibraLoss
from models.network.losses.balanced_group_softmax import DenseBalancedGroupLoss
from models.network.losses.class_balanced import ClassBalancedLoss
from models.network.losses.class_libra import ClassLibraLoss
from models.network.losses.cross_entropy import SigmoidCrossEntropyLoss
from models.network.losses.dense_sigmoid import DenseSigmoidLoss
from models.network.losses.eqlv2 import EqlV2Loss
from models.network.losses.equalized_focal import EqualizedFocalLoss
from models.network.losses.focal import DenseFocalLoss
from models.network.losses.ghm import DenseGHMCLoss
from models.network.losses.grad_libra import GradLibraLoss
from models.network.losses.seesaw import DenseSeesawLoss

#: Class name -> class.
LOSSES: dict[str, type[DenseSigmoidLoss]] = {
    loss.__name__: loss
    for loss in (
        GradLibraLoss,
        SigmoidCrossEntropyLoss,
        DenseFocalLoss,
        ClassBalancedLoss,
        DenseSeesawLoss,
        EqlV2Loss,
        DenseBalancedGroupLoss,
        DenseGHMCLoss,
        EqualizedFocalLoss,
        ClassLibraLoss,
        BalanceLibraLoss,
    )
}
COUNTS = [2000, 150, 12]

#: Class name -> settings for three classes; what depends on the classes is in `for_classes`.
SETTINGS: dict[str, dict[str, Any]] = {
    "GradLibraLoss": {},
    "SigmoidCrossEntropyLoss": {},
    "DenseFocalLoss": {"gamma": 1.5, "alpha": 0.25},
    "ClassBalancedLoss": {"class_counts": COUNTS, "gamma": 0.5},
    "DenseSeesawLoss": {"num_classes": 3},
    "EqlV2Loss": {"num_classes": 3},
    "DenseBalancedGroupLoss": {"class_counts": COUNTS, "group_edges": [100], "others_weight": 0.3},
    "DenseGHMCLoss": {"bins": 10},
    "EqualizedFocalLoss": {"num_classes": 3},
    "ClassLibraLoss": {"num_classes": 3},
    "BalanceLibraLoss": {"num_classes": 3},
}
ALL = sorted(SETTINGS)
STATEFUL = [
    "BalanceLibraLoss",
    "ClassLibraLoss",
    "DenseGHMCLoss",
    "DenseSeesawLoss",
    "EqlV2Loss",
    "EqualizedFocalLoss",
]


def for_classes(name: str, order: list[int]) -> dict[str, Any]:
    """The settings for classes in that order, a choice of 0, 1, 2."""
    settings = dict(SETTINGS[name])
    if "class_counts" in settings:
        settings["class_counts"] = [COUNTS[label] for label in order]
    if "num_classes" in settings:
        settings["num_classes"] = len(order)
    return settings


def make_loss(name: str, order: list[int] | None = None, **changes: Any) -> DenseSigmoidLoss:
    """The loss of that class name."""
    return LOSSES[name](**(for_classes(name, order or [0, 1, 2]) | changes))


def draw(seed: int, num: int = 12, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Logits (N, 3) and labels (N,) of common, rare, background and ignored proposals."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(num, 3, generator=generator, dtype=dtype) * 2
    return z, torch.tensor([0, 0, 0, 1, 2, 3, 3, -1])[torch.arange(num) % 8]


def make_trained(name: str, steps: int = 3, **changes: Any) -> DenseSigmoidLoss:
    """The loss after `steps` calls in training mode."""
    loss = make_loss(name, **changes)
    for step in range(steps):
        loss(*draw(100 + step))
    return loss
