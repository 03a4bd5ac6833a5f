"""Seesaw loss against loops over pairs of classes, and its limits."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from models.network.losses.cross_entropy import SigmoidCrossEntropyLoss
from models.network.losses.seesaw import DenseSeesawLoss, compute_seesaw_scale
from tests.models.network.losses.loss_cases import draw


def expected_scale(
    z: Tensor, labels: Tensor, counts: list[int], p: float = 0.8, q: float = 2.0
) -> np.ndarray:
    """S of every term, pair by pair."""
    scale = np.ones(z.shape)
    for row, own in enumerate(labels.tolist()):
        if own not in (0, 1, 2):
            continue
        score = 1 / (1 + np.exp(-z[row].detach().numpy()))
        for other in {0, 1, 2} - {own}:
            if max(counts[other], 1) < max(counts[own], 1):
                scale[row, other] *= (max(counts[other], 1) / max(counts[own], 1)) ** p
            if score[other] > max(score[own], 0.01):
                scale[row, other] *= (score[other] / max(score[own], 0.01)) ** q
    return scale


def cross_entropy(z: np.ndarray, labels: Tensor) -> np.ndarray:
    y = labels.numpy()[:, None] == np.arange(3)
    return np.log1p(np.exp(np.where(y, -z, z)))


def test_terms_follow_counts_and_scores() -> None:
    loss = DenseSeesawLoss(3, reduction="none")
    counts = np.zeros(3, dtype=int)
    for seed in range(3):
        z, labels = draw(seed)
        z[3] = torch.tensor([3.0, -9.0, 1.0])  # own score below its bound
        counts += [int((labels == label).sum()) for label in range(3)]
        expected = expected_scale(z, labels, counts.tolist()) * cross_entropy(z.numpy(), labels)
        expected[labels.numpy() < 0] = 0
        np.testing.assert_allclose(loss(z, labels).numpy(), expected, rtol=1e-9)
    assert loss.num_seen.tolist() == counts.tolist()


def test_acting_on_the_logit_multiplies_the_exponential_as_in_the_paper() -> None:
    loss = DenseSeesawLoss(3, acts_on="logit", reduction="none")
    z, labels = draw(4)
    labels[labels < 0] = 3
    counts = [int((labels == label).sum()) for label in range(3)]
    scale = expected_scale(z, labels, counts)
    y = labels.numpy()[:, None] == np.arange(3)
    expected = np.log1p(scale * np.exp(np.where(y, -z.numpy(), z.numpy())))
    np.testing.assert_allclose(loss(z, labels).numpy(), expected, rtol=1e-9)


def test_no_gradient_flows_through_the_scale() -> None:
    z, labels = draw(5)
    labels[labels < 0] = 3
    z.requires_grad_()
    loss = DenseSeesawLoss(3, reduction="sum")
    loss(z, labels).backward()
    y = (labels[:, None] == torch.arange(3)).numpy()
    p = 1 / (1 + np.exp(-z.detach().numpy()))
    counts = [int(n) for n in loss.num_seen]
    assert z.grad is not None
    np.testing.assert_allclose(z.grad.numpy(), expected_scale(z, labels, counts) * (p - y))


@pytest.mark.parametrize("acts_on", ["term", "logit"])
def test_without_either_factor_it_is_cross_entropy(acts_on: str) -> None:
    z, labels = draw(6)
    loss = DenseSeesawLoss(3, p=0.0, q=0.0, acts_on=acts_on)  # type: ignore[arg-type]
    torch.testing.assert_close(loss(z, labels), SigmoidCrossEntropyLoss()(z, labels))


def test_only_negative_terms_of_positive_proposals_are_scaled() -> None:
    z, labels = draw(7)
    y = (labels[:, None] == torch.arange(3)).long()
    scale = compute_seesaw_scale(z, y, torch.tensor([500, 40, 3]), 0.8, 2.0, 0.01)
    assert (scale[(labels < 0) | (labels == 3)] == 1).all()
    assert (scale[y > 0] == 1).all()
    assert (scale != 1).any()


def test_a_common_class_hardly_punishes_a_rare_one_but_not_the_reverse() -> None:
    z = torch.tensor([[2.0, -2.0], [-2.0, 2.0]])
    scale = compute_seesaw_scale(z, torch.eye(2).long(), torch.tensor([1000, 10]), 0.8, 2.0, 0.01)
    assert float(scale[0, 1]) == pytest.approx(0.01**0.8)
    assert float(scale[1, 0]) == 1


def test_compensation_is_bounded_by_the_lowest_score() -> None:
    z = torch.tensor([[-100.0, 100.0]])
    scale = compute_seesaw_scale(z, torch.tensor([[1, 0]]), torch.ones(2), 0.8, 2.0, 0.01)
    assert float(scale[0, 1]) == pytest.approx(1e4)


@pytest.mark.parametrize("exponent", [1e4, 1e8])
def test_a_factor_that_underflows_stays_finite(exponent: float) -> None:
    z = torch.zeros(1, 2, requires_grad=True)
    loss = DenseSeesawLoss(2, p=exponent, acts_on="logit")
    loss.num_seen += torch.tensor([100, 1])
    loss(z, torch.tensor([0])).backward()
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()
    assert math.isclose(float(z.grad[0, 1]), 0, abs_tol=1e-20)
