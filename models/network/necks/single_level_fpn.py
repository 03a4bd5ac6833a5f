"""A feature pyramid of which only the finest level is kept.

Nuclei of one nominal size need one level; the coarser ones would only ever see background.
"""

from mmdet.models.necks import FPN
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class SingleLevelFPN(FPN):  # type: ignore[misc]
    """mmdet's FPN, giving the finest level alone. Takes FPN's arguments."""

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        """From backbone stages, finest first, each (B, C_i, H_i, W_i), to one (B, C, H_0, W_0)."""
        return (super().forward(inputs)[0],)
