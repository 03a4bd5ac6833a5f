"""GHM-C: sigmoid cross-entropy in which terms with a frequent gradient norm weigh less.

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
    """(N, C) int64, the bin of the gradient norm |p - y| among B equal bins of [0, 1]."""
    norm = (torch.sigmoid(lift(logit.detach())) - target).abs()
    return (norm * bins).long().clamp(max=bins - 1)


def weigh_density(index: Tensor, histogram: Tensor) -> Tensor:
    """Harmonising weight of every term, its bin's share in an even histogram over its actual share.

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
    training the call is averaged in, but not stored. The paper divides the call's number of terms
    by the averaged density; here both come from the average. The two agree once the average has
    settled; this form is also right in the first calls and for pyramid levels of unequal size.

    The paper's mean is over all terms, since easy terms no longer dominate; so this loss divides by
    the number of counted terms, and an `avg_factor`, which heads set to the number of positive
    proposals, is ignored. Its values are those of a mean over terms: choose `loss_weight`
    accordingly.

    Args:
        bins: B.
        momentum: of the average, in [0, 1); 0 uses each call's histogram alone.
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
        """Cross-entropy times the harmonising weight; stores the histogram if training."""
        index = find_bins(logit, target, self.bins)
        histogram = self.histogram
        num_terms = sum_over_processes(torch.bincount(index[counted], minlength=self.bins))
        if num_terms.any():
            histogram = self.momentum * histogram + (1 - self.momentum) * num_terms
            if self.training:
                self.histogram.copy_(histogram)
        term = sigmoid_cross_entropy(logit, target)
        return weigh_density(index, histogram).to(term.dtype) * term
