"""Seesaw loss for dense sigmoid heads: cells of frequent classes suppress rare classes less.

Pure functions, then the module that counts cells during training. Source: Wang et al., "Seesaw
loss for long-tailed instance segmentation", CVPR 2021, arXiv 2008.10032.

The paper's loss is a softmax over the classes. For a sample of class i it multiplies e^{z_j} in the
denominator, j ≠ i, by S_ij = M_ij·C_ij, with the mitigation factor M_ij = min(1, N_j / N_i)^p of
cells N so far and the compensation factor C_ij = max(1, σ_j / σ_i)^q of the current softmax
scores σ. A dense sigmoid head has no denominator, so here, for a positive proposal of class i:

- the negative term of class j, softplus(z_j), is multiplied by S_ij ("term"), or S_ij multiplies
  its e^{z_j}, which makes it softplus(z_j + log S_ij) ("logit", whose gradient stays below 1 as
  the paper's does, while "term" grows it up to (1 / min_score)^q fold);
- σ are sigmoid scores of independent classes, which do not sum to 1;
- the positive term is plain cross-entropy, where the paper's competes with the other classes;
- background proposals, which the paper leaves to a separate objectness, are not scaled.

As in the paper's code, no gradient flows through S, σ_i in its denominator is at least 0.01, N
includes the current call, and N below 1 counts as 1.

Shape letters: N proposals, C classes.
"""

import math
from typing import Literal, Unpack

import torch
from mmdet.registry import MODELS
from torch import Tensor
from torch.nn import functional

from models.network.losses.cross_entropy import sigmoid_cross_entropy
from models.network.losses.dense_sigmoid import DenseSigmoidLoss, SharedArguments, lift, require
from models.network.losses.processes import sum_over_processes


def compute_seesaw_scale(
    logit: Tensor, target: Tensor, num_seen: Tensor, p: float, q: float, min_score: float
) -> Tensor:
    """S of every negative term of a positive proposal; 1 for all other terms.

    Args:
        logit: (N, C), any float dtype.
        target: (N, C) one-hot, or all 0 for background.
        num_seen: (C,) cells of each class so far.
        p: exponent of the mitigation factor.
        q: exponent of the compensation factor.
        min_score: lower bound of σ_i in the compensation factor's denominator.

    Returns:
        (N, C) float32 (float64 for float64 logits), without gradient.
    """
    z = lift(logit.detach())
    num_cells = num_seen.clamp(min=1)
    mitigation = ((num_cells[None, :] / num_cells[:, None]).clamp(max=1) ** p).to(z.dtype)
    own = target.argmax(dim=1)
    log_score = functional.logsigmoid(z)
    log_own = log_score.gather(1, own[:, None]).clamp(min=math.log(min_score))
    compensation = torch.exp(q * (log_score - log_own).clamp(min=0))
    scaled = target.any(dim=1)[:, None] & (target == 0)
    return torch.where(scaled, mitigation[own] * compensation, torch.ones_like(z))


def seesaw_loss(
    logit: Tensor, target: Tensor, scale: Tensor, acts_on: Literal["term", "logit"] = "term"
) -> Tensor:
    """Loss of every proposal and class, not reduced.

    Args:
        logit: (N, C), any float dtype; half precision is lifted to float32 first.
        target: (N, C) of 0 and 1.
        scale: (N, C), of `compute_seesaw_scale`.
        acts_on: see the module's docstring.

    Returns:
        (N, C) float32 (float64 for float64 logits), non-negative.
    """
    if acts_on == "term":
        return scale * sigmoid_cross_entropy(logit, target)
    # Where S underflows (large p or q) the term vanishes instead of having a logit of -inf.
    return sigmoid_cross_entropy(lift(logit) + scale.clamp(min=1e-30).log(), target)


@MODELS.register_module()
class DenseSeesawLoss(DenseSigmoidLoss):
    """Seesaw loss as mmdet's dense heads call it; counts positive proposals while training.

    Args:
        num_classes: C.
        p: exponent of the mitigation factor; 0 switches it off.
        q: exponent of the compensation factor; 0 switches it off.
        min_score: lower bound of the own score in the compensation factor.
        acts_on: "term" or "logit", see the module's docstring.
        shared: see `DenseSigmoidLoss`.

    Raises:
        ValueError: an argument is outside its range.
    """

    #: (C,) positive proposals of each class so far; the name is in checkpoints.
    num_seen: Tensor

    def __init__(
        self,
        num_classes: int,
        p: float = 0.8,
        q: float = 2.0,
        min_score: float = 0.01,
        acts_on: Literal["term", "logit"] = "term",
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(**shared)
        require(num_classes >= 1, "num_classes", num_classes, "be ≥ 1")
        require(0 <= p < math.inf, "p", p, "be a number ≥ 0")
        require(0 <= q < math.inf, "q", q, "be a number ≥ 0")
        require(0 < min_score <= 1, "min_score", min_score, "lie in (0, 1]")
        require(acts_on in ("term", "logit"), "acts_on", acts_on, "be 'term' or 'logit'")
        self.num_classes = num_classes
        self.p = p
        self.q = q
        self.min_score = min_score
        self.acts_on = acts_on
        self.register_buffer("num_seen", torch.zeros(num_classes, dtype=torch.float64))

    def compute_terms(self, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """`seesaw_loss`, after counting the positive proposals if training."""
        if self.training:
            self.num_seen += sum_over_processes(((target > 0) & counted).sum(dim=0).double())
        scale = compute_seesaw_scale(logit, target, self.num_seen, self.p, self.q, self.min_score)
        return seesaw_loss(logit, target, scale, self.acts_on)
