"""GHM-C: sigmoid cross-entropy in which terms of a common gradient norm count less.

Pure functions, then the module that keeps the histogram of gradient norms. Source: Li, Liu, Wang,
"Gradient harmonized single-stage detector", AAAI 2019, doi:10.1609/aaai.v33i01.33018577, arXiv
1811.05181.

Shape letters: N proposals, C classes, B bins.
"""

import math
from typing import Unpack

import torch
from mmdet.registry import MODELS
from torch import Tensor

from models.network.losses.cross_entropy import sigmoid_cross_entropy
from models.network.losses.dense_sigmoid import DenseSigmoidLoss, SharedArguments, lift, require
from models.network.losses.processes import sum_over_processes


def find_bins(logit: Tensor, target: Tensor, bins: int) -> Tensor:
    """(N, C) int64: which of B equal bins of [0, 1] the gradient norm |p - y| falls into."""
    norm = (torch.sigmoid(lift(logit.detach())) - target).abs()
    return (norm * bins).long().clamp(max=bins - 1)


def weigh_density(index: Tensor, histogram: Tensor) -> Tensor:
    """Harmonising weight of every term, its bin's share of an even histogram over its true share.

    Args:
        index: (N, C), of `find_bins`.
        histogram: (B,) number of terms in each bin; may be a running average.

    Returns:
        (N, C) in the histogram's dtype; 1 if all bins are equal, 0 in empty bins.
    """
    num_bins = histogram.numel()
    even = histogram.sum() / num_bins
    share = torch.where(histogram > 0, even / histogram, torch.zeros_like(histogram))
    return share[index]


@MODELS.register_module()
class DenseGHMCLoss(DenseSigmoidLoss):
    """GHM-C as mmdet's dense heads call it; keeps a histogram while training.

    The histogram is the paper's unit region approximation with exponential moving average, taken
    over the terms that are neither ignored nor of weight 0. It includes the current call; outside
    training it is blended for that call alone. Where the paper takes the call's number of terms
    over the averaged density, here both come from the average: the same once settled, and right
    as well in the first calls and for pyramid levels of unequal size.

    The paper's mean is over all terms, since easy ones no longer dominate; so this loss divides by
    the number of counted terms, and an `avg_factor`, which heads set to the number of positive
    proposals, is ignored. Expect values as of a mean over terms, and choose `loss_weight` to match.

    Args:
        bins: B.
        momentum: of the average, in [0, 1); 0 takes each call's histogram alone.
        shared: see `DenseSigmoidLoss`.

    Raises:
        ValueError: an argument is outside its range.
    """

    histogram: Tensor

    def __init__(
        self, bins: int = 30, momentum: float = 0.75, **shared: Unpack[SharedArguments]
    ) -> None:
        super().__init__(**shared)
        require(1 <= bins < math.inf, "bins", bins, "be ≥ 1")
        require(0 <= momentum < 1, "momentum", momentum, "lie in [0, 1)")
        self.bins = bins
        self.momentum = momentum
        self.register_buffer("histogram", torch.zeros(bins, dtype=torch.float64))

    def choose_divisor(
        self, counted: Tensor, avg_factor: float | Tensor | None
    ) -> float | Tensor | None:
        """Number of counted terms, at least 1."""
        return counted.sum().clamp(min=1)

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """Cross-entropy times the harmonising weight; keeps the histogram if training."""
        index = find_bins(logit, target, self.bins)
        kept = index[counted]
        histogram = self.histogram
        found = sum_over_processes(torch.bincount(kept, minlength=self.bins))
        if found.any():
            histogram = self.momentum * histogram + (1 - self.momentum) * found
            if self.training:
                self.histogram.copy_(histogram)
        term = sigmoid_cross_entropy(logit, target)
        return weigh_density(index, histogram).to(term.dtype) * term
