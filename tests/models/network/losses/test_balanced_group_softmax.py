"""Balanced group softmax against a softmax written out per group, and its limits."""

import math

import numpy as np
import pytest
import torch

from models.network.losses.balanced_group_softmax import (
    DenseBalancedGroupLoss,
    group_classes,
    weigh_others,
)
from models.network.losses.cross_entropy import SigmoidCrossEntropyLoss
from tests.models.network.losses.loss_cases import COUNTS, draw


def test_classes_are_grouped_by_the_published_edges() -> None:
    counts = [1000, 5, 99, 100, 999, 10, 40000]
    assert group_classes(counts, (10, 100, 1000)) == [[1], [2, 5], [3, 4], [0, 6]]
    assert group_classes([7, 9], (10, 100)) == [[0, 1]]
    assert group_classes([7, 9], ()) == [[0, 1]]


def test_others_weigh_as_much_as_the_published_draw_keeps() -> None:
    counts = [900, 90, 10]
    assert weigh_others(counts, [0]) == 1
    assert weigh_others(counts, [1]) == pytest.approx(8 * 90 / 910)
    assert weigh_others(counts, [2]) == pytest.approx(8 * 10 / 990)
    assert weigh_others(counts, [0, 1, 2]) == 1
    assert weigh_others([5, 0], [1]) == 0


@pytest.mark.parametrize("others_weight", [None, 0.3])
def test_terms_are_a_softmax_per_group_with_a_zero_for_others(
    others_weight: float | None,
) -> None:
    groups = [[1, 2], [0]]
    weights = [8 * 162 / 2000, 1.0] if others_weight is None else [others_weight] * 2
    loss = DenseBalancedGroupLoss(COUNTS, [1000], others_weight, reduction="none")
    z, labels = draw(0)
    expected = np.zeros(z.shape)
    for row, label in enumerate(labels.tolist()):
        for group, weight in zip(groups, weights, strict=True):
            odds = [1.0] + [math.exp(z[row, j].item()) for j in group]
            if label in group:
                share = odds[1 + group.index(label)] / sum(odds)
                expected[row, label] = -math.log(share)
            elif label >= 0:
                factor = 1 if label == 3 else min(1, weight)
                for j in group:
                    expected[row, j] = -factor * math.log(odds[0] / sum(odds)) / len(group)
    np.testing.assert_allclose(loss(z, labels).numpy(), expected, rtol=1e-9)


def test_groups_of_one_class_with_full_others_are_cross_entropy() -> None:
    z, labels = draw(1)
    loss = DenseBalancedGroupLoss(COUNTS, [100, 1000], others_weight=1.0)
    assert len(loss.groups) == 3
    torch.testing.assert_close(loss(z, labels), SigmoidCrossEntropyLoss()(z, labels))


def test_sigmoid_score_is_the_group_probability_with_the_siblings_ruled_out() -> None:
    z = torch.tensor([[0.3, -1.2, 2.0]], dtype=torch.float64)
    loss = DenseBalancedGroupLoss(COUNTS, [], reduction="sum")
    alone = z.clone()
    alone[:, 1:] = -80
    at_most, equal = (math.exp(-float(loss(logit, torch.tensor([0])))) for logit in (z, alone))
    score = float(torch.sigmoid(z[0, 0]))
    assert equal == pytest.approx(score)
    assert at_most < score


def test_a_common_class_pushes_a_rarer_group_down_less_than_its_own_group() -> None:
    z = torch.zeros(1, 3, requires_grad=True)
    DenseBalancedGroupLoss(COUNTS, [100], reduction="sum")(z, torch.tensor([0])).backward()
    assert z.grad is not None
    own, sibling, rare = z.grad[0].tolist()
    assert own < 0
    assert sibling == pytest.approx(1 / 3)
    assert rare == pytest.approx(0.5 * 8 * 12 / 2150)


def test_a_class_that_is_not_counted_does_not_compete() -> None:
    z, _ = draw(2, num=1)
    loss = DenseBalancedGroupLoss(COUNTS, [], reduction="sum")
    part = DenseBalancedGroupLoss(COUNTS[:2], [], reduction="sum")
    value = loss(z, torch.tensor([[0, 1, -1]]))
    torch.testing.assert_close(value, part(z[:, :2], torch.tensor([1])))
