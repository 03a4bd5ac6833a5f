"""Sums of positive and negative gradients per class over a training, and their ratio.

Losses that balance classes by what they have been taught so far keep one; see `eqlv2` and
`equalized_focal`. Source of the ratio: Tan et al., "Equalization loss v2", CVPR 2021.

Shape letters: N proposals, C classes.
"""

import torch
from torch import Tensor, nn

from models.network.losses.processes import sum_over_processes


class GradientTally(nn.Module):
    """Accumulated gradients of C binary classifiers, which stand in checkpoints.

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
        """(C,) float64: positive over negative sum; infinite where there is no negative one yet."""
        endless = torch.full_like(self.pos_grad, torch.inf)
        return torch.where(self.neg_grad > 0, self.pos_grad / self.neg_grad, endless)

    @torch.no_grad()
    def add(self, magnitude: Tensor, target: Tensor, counted: Tensor) -> None:
        """Adds a call's gradients; does nothing outside training.

        Args:
            magnitude: (N, C), absolute gradient of each term.
            target: (N, C) of 0 and 1.
            counted: (N, C) bool, the others are left out.
        """
        if not self.training:
            return
        kept = torch.where(counted, magnitude.detach(), torch.zeros_like(magnitude)).double()
        positive = target > 0
        self.pos_grad += sum_over_processes((kept * positive).sum(dim=0))
        self.neg_grad += sum_over_processes((kept * ~positive).sum(dim=0))
