"""A feature pyramid network that outputs only its finest level.

All nuclei are of similar size, so a single level suffices; coarser levels would get background
only.
"""

from mmdet.models.necks import FPN
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class SingleLevelFPN(FPN):  # type: ignore[misc]
    """mmdet's FPN with the finest level as its only output; arguments as FPN's."""

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        """From backbone stages, finest first, each (B, C_i, H_i, W_i), to (B, C, H_0, W_0)."""
        return (super().forward(inputs)[0],)
