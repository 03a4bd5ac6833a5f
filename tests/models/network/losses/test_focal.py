"""Focal loss against its formula written out, and its limits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.network.losses.cross_entropy import sigmoid_cross_entropy
from models.network.losses.focal import DenseFocalLoss, focal_loss
from tests.models.network.losses.loss_cases import draw

alphas = st.none() | st.floats(0, 1)


@given(st.floats(-15, 15), st.integers(0, 1), st.floats(0, 5), alphas)
@settings(deadline=None, max_examples=200)
def test_term_is_the_published_one(z: float, y: int, gamma: float, alpha: float | None) -> None:
    term = focal_loss(torch.tensor([[z]], dtype=torch.float64), torch.tensor([[y]]), gamma, alpha)
    right, wrong = 1 / (1 + math.exp(-z)), 1 / (1 + math.exp(z))
    if not y:
        right, wrong = wrong, right
    side = 1 if alpha is None else alpha if y else 1 - alpha
    assert float(term) == pytest.approx(-side * wrong**gamma * math.log(right), rel=1e-8)


def test_gamma_zero_is_cross_entropy() -> None:
    z, labels = draw(0)
    y = (labels[:, None] == torch.arange(3)).double()
    torch.testing.assert_close(focal_loss(z, y, gamma=0.0), sigmoid_cross_entropy(z, y))


def test_alpha_of_one_half_halves_it() -> None:
    z, labels = draw(1)
    full, half = DenseFocalLoss(2.0), DenseFocalLoss(2.0, 0.5)
    torch.testing.assert_close(half(z, labels), full(z, labels) / 2)


def test_it_is_the_loss_that_mmdet_computes() -> None:
    from mmdet.models.losses import FocalLoss

    z, labels = draw(2, dtype=torch.float32)
    counted = labels >= 0
    expected = FocalLoss(gamma=2.0, alpha=0.25)(z[counted], labels[counted], avg_factor=5)
    value = DenseFocalLoss(2.0, 0.25)(z[counted], labels[counted], avg_factor=5)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 2.0])
def test_a_perfectly_classified_term_has_no_gradient(gamma: float) -> None:
    z = torch.tensor([[100.0]], requires_grad=True)
    focal_loss(z, torch.ones(1, 1), gamma).sum().backward()
    assert z.grad is not None
    assert abs(float(z.grad)) < 1e-6
