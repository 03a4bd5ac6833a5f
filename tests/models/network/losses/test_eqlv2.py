"""Equalization loss v2 against loops over several steps, and its limits."""

import math

import numpy as np
import pytest
import torch

from models.network.losses.cross_entropy import SigmoidCrossEntropyLoss
from models.network.losses.eqlv2 import EqlV2Loss, weigh_sides
from tests.models.network.losses.loss_cases import draw


def test_steps_follow_the_gradients_summed_so_far() -> None:
    loss = EqlV2Loss(3, reduction="none")
    pos, neg = np.zeros(3), np.zeros(3)
    for seed in range(4):
        z, labels = draw(seed)
        balance = [
            1 / (1 + math.exp(-12 * (pos[j] / neg[j] - 0.8))) if seed else 1.0 for j in range(3)
        ]
        expected = np.zeros(z.shape)
        for row, label in enumerate(labels.tolist()):
            for j in range(3):
                if label < 0:
                    continue
                p = 1 / (1 + math.exp(-z[row, j].item()))
                if label == j:
                    weight = 1 + 4 * (1 - balance[j])
                    expected[row, j] = -weight * math.log(p)
                    pos[j] += weight * (1 - p)
                else:
                    expected[row, j] = -balance[j] * math.log(1 - p)
                    neg[j] += balance[j] * p
        np.testing.assert_allclose(loss(z, labels).numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(loss.tally.pos_grad.numpy(), pos)
    np.testing.assert_allclose(loss.tally.neg_grad.numpy(), neg)


def test_before_any_step_it_is_cross_entropy() -> None:
    z, labels = draw(0)
    torch.testing.assert_close(EqlV2Loss(3)(z, labels), SigmoidCrossEntropyLoss()(z, labels))


def test_the_published_start_at_a_ratio_of_a_hundred_is_the_same_as_an_endless_one() -> None:
    target = torch.tensor([[0], [1]])
    hundred, endless = (
        weigh_sides(target, torch.tensor([g], dtype=torch.float64), 12.0, 0.8, 4.0)
        for g in (100.0, torch.inf)
    )
    assert torch.equal(hundred, endless)
    assert hundred.tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("ratio", "neg", "pos"),
    [(0.8, 0.5, 3.0), (0.0, 1 / (1 + math.exp(9.6)), 5 - 4 / (1 + math.exp(9.6)))],
)
def test_map_at_its_middle_and_for_a_class_without_positive_gradient(
    ratio: float, neg: float, pos: float
) -> None:
    g = torch.tensor([ratio], dtype=torch.float64)
    weight = weigh_sides(torch.tensor([[0], [1]]), g, 12.0, 0.8, 4.0)
    assert weight[:, 0].tolist() == pytest.approx([neg, pos])


def test_less_positive_gradient_never_lowers_the_positive_side() -> None:
    g = torch.linspace(0, 3, 100, dtype=torch.float64)
    weight = weigh_sides(torch.tensor([[0], [1]]).expand(2, 100), g, 12.0, 0.8, 4.0)
    assert (weight[0].diff() >= 0).all()
    assert (weight[1].diff() <= 0).all()
