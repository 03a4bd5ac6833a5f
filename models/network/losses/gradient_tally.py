"""Positive and negative gradients per class, accumulated over a training, and their ratio.

Used by losses that balance classes by accumulated gradients, such as `eqlv2` and
`equalized_focal`. Source of the ratio: Tan et al., "Equalization loss v2", CVPR 2021.

Shape letters: N proposals, C classes.
"""

import torch
from torch import Tensor, nn

from models.network.losses.processes import sum_over_processes


class GradientTally(nn.Module):
    """Accumulated gradients of C binary classifiers, saved in checkpoints.

    Args:
        num_classes: C.
    """

    pos_grad: Tensor
    neg_grad: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        # float64: a float32 sum over a long training stops growing.
        self.register_buffer("pos_grad", torch.zeros(num_classes, dtype=torch.float64))
        self.register_buffer("neg_grad", torch.zeros(num_classes, dtype=torch.float64))

    def compute_ratio(self) -> Tensor:
        """(C,) float64: positive over negative sum; infinite while the negative sum is 0."""
        infinity = torch.full_like(self.pos_grad, torch.inf)
        return torch.where(self.neg_grad > 0, self.pos_grad / self.neg_grad, infinity)

    @torch.no_grad()
    def add(self, magnitude: Tensor, target: Tensor, counted: Tensor) -> None:
        """Adds the gradients of a call, if training.

        Args:
            magnitude: (N, C), absolute gradient of each term.
            target: (N, C) of 0 and 1.
            counted: (N, C) bool, False where a term is left out.
        """
        if not self.training:
            return
        counted_magnitude = torch.where(
            counted, magnitude.detach(), torch.zeros_like(magnitude)
        ).double()
        positive = target > 0
        self.pos_grad += sum_over_processes((counted_magnitude * positive).sum(dim=0))
        self.neg_grad += sum_over_processes((counted_magnitude * ~positive).sum(dim=0))
