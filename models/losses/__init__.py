"""Classification losses for dense sigmoid heads, one a file: a pure function, then its module."""

import importlib

#: One module a loss; importing it registers the loss with mmdet.
LOSS_MODULES = ("grad_libra",)


def load_losses() -> None:
    """Makes every loss here known to mmdet by its class name."""
    from models.mmcv_ops import supply_missing_extension

    supply_missing_extension()
    for name in LOSS_MODULES:
        importlib.import_module(f"models.losses.{name}")
