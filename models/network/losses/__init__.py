"""Classification losses for dense sigmoid heads; each file has a pure function and its module."""

from importlib import import_module

#: Module of each loss; importing it registers the loss with mmdet.
LOSS_MODULES = (
    "grad_libra",
    "cross_entropy",
    "focal",
    "class_balanced",
    "seesaw",
    "eqlv2",
    "balanced_group_softmax",
    "ghm",
    "equalized_focal",
    "class_libra",
    "balance_libra",
    "logit_adjusted",
)


def load_losses() -> None:
    """Registers every loss with mmdet under its class name; mmdet must be importable."""
    for name in LOSS_MODULES:
        import_module(f"models.network.losses.{name}")
