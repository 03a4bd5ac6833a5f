"""Equalized focal loss against loops over several steps, and its limits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.network.losses.equalized_focal import (
    EqualizedFocalLoss,
    equalized_focal_loss,
    focus_classes,
    measure_gradient,
)
from models.network.losses.focal import DenseFocalLoss
from tests.models.network.losses.loss_cases import draw


def term(z: float, y: bool, gamma: float, base: float, alpha: float | None) -> float:
    right = 1 / (1 + math.exp(-z if y else z))
    side = 1.0 if alpha is None else alpha if y else 1 - alpha
    return -side * gamma / base * (1 - right) ** gamma * math.log(right)


@pytest.mark.parametrize("alpha", [None, 0.25])
def test_steps_follow_the_gradients_summed_so_far(alpha: float | None) -> None:
    loss = EqualizedFocalLoss(3, alpha=alpha, reduction="none")
    pos, neg = np.zeros(3), np.zeros(3)
    for seed in range(4):
        z, labels = draw(seed)
        balance = np.clip(pos / neg, 0, 1) if seed else np.ones(3)
        gamma = 2 + 8 * (1 - balance)
        expected = np.zeros(z.shape)
        for row, label in enumerate(labels.tolist()):
            for j in range(3):
                if label < 0:
                    continue
                value, y, step = z[row, j].item(), label == j, 1e-5
                expected[row, j] = term(value, y, gamma[j], 2, alpha)
                ends = [term(value + s, y, gamma[j], 2, alpha) for s in (step, -step)]
                (pos if y else neg)[j] += abs(ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(loss(z, labels).numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(loss.tally.pos_grad.numpy(), pos, rtol=1e-6)
    np.testing.assert_allclose(loss.tally.neg_grad.numpy(), neg, rtol=1e-6)


@given(st.floats(-20, 20), st.integers(0, 1), st.floats(0.5, 10), st.none() | st.floats(0, 1))
@settings(deadline=None, max_examples=100)
def test_measured_gradient_is_that_of_the_loss(
    value: float, y: int, gamma: float, alpha: float | None
) -> None:
    z = torch.tensor([[value]], dtype=torch.float64, requires_grad=True)
    target, focus = torch.tensor([[y]]), torch.tensor([gamma], dtype=torch.float64)
    equalized_focal_loss(z, target, focus, 2.0, alpha).sum().backward()
    assert z.grad is not None
    magnitude = measure_gradient(z, target, focus, 2.0, alpha)
    torch.testing.assert_close(magnitude, z.grad.abs(), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("alpha", [None, 0.25])
def test_scale_zero_is_focal_loss_at_every_step(alpha: float | None) -> None:
    loss, focal = EqualizedFocalLoss(3, 2.0, alpha, scale=0.0), DenseFocalLoss(2.0, alpha)
    for seed in range(3):
        torch.testing.assert_close(loss(*draw(seed)), focal(*draw(seed)))


def test_before_any_step_it_is_focal_loss() -> None:
    z, labels = draw(0)
    torch.testing.assert_close(
        EqualizedFocalLoss(3)(z, labels), DenseFocalLoss(2.0, 0.25)(z, labels)
    )


def test_focus_rises_as_the_ratio_falls_and_is_cut_at_one() -> None:
    ratio = torch.tensor([torch.inf, 3.0, 1.0, 0.5, 0.0], dtype=torch.float64)
    assert focus_classes(ratio, 2.0, 8.0).tolist() == [2, 2, 2, 6, 10]
