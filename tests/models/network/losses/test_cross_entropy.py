"""Sigmoid cross-entropy against the logarithm written out."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.network.losses.cross_entropy import SigmoidCrossEntropyLoss, sigmoid_cross_entropy
from models.network.losses.grad_libra import grad_libra_loss
from tests.models.network.losses.loss_cases import draw


@given(st.floats(-30, 30), st.integers(0, 1))
@settings(deadline=None, max_examples=100)
def test_term_is_minus_the_logarithm_of_the_right_answers_probability(z: float, y: int) -> None:
    term = sigmoid_cross_entropy(torch.tensor([[z]], dtype=torch.float64), torch.tensor([[y]]))
    right = 1 / (1 + math.exp(-z if y else z))
    assert float(term) == pytest.approx(-math.log(right), rel=1e-9, abs=1e-15)


def test_gradient_is_probability_minus_target() -> None:
    z, labels = draw(0)
    z.requires_grad_()
    SigmoidCrossEntropyLoss(reduction="sum")(z, labels).backward()
    assert z.grad is not None
    for row, label in enumerate(labels.tolist()):
        for column in range(3):
            p = 1 / (1 + math.exp(-z[row, column].item()))
            expected = 0 if label < 0 else p - (label == column)
            assert float(z.grad[row, column]) == pytest.approx(expected)


def test_it_is_grad_libra_without_alpha() -> None:
    z, labels = draw(1)
    y = (labels[:, None] == torch.arange(3)).double()
    torch.testing.assert_close(sigmoid_cross_entropy(z, y), grad_libra_loss(z, y, None, None))
