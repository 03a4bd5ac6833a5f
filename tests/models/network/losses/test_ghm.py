"""GHM-C against counting by loops, and its limits."""

import math

import numpy as np
import pytest
import torch

from models.network.losses.cross_entropy import SigmoidCrossEntropyLoss
from models.network.losses.ghm import DenseGHMCLoss, find_bins, weigh_density
from tests.models.network.losses.loss_cases import draw


@pytest.mark.parametrize("momentum", [0.0, 0.75])
def test_terms_are_weighed_by_the_density_of_their_gradient_norm(momentum: float) -> None:
    bins = 8
    loss = DenseGHMCLoss(bins, momentum, reduction="none")
    average = [0.0] * bins
    for seed in range(3):
        z, labels = draw(seed)
        norm, term = {}, {}
        for row, label in enumerate(labels.tolist()):
            for j in range(3):
                if label >= 0:
                    p = 1 / (1 + math.exp(-z[row, j].item()))
                    norm[row, j] = 1 - p if label == j else p
                    term[row, j] = -math.log(1 - norm[row, j])
        for b in range(bins):
            num_terms = sum(b / bins <= g < (b + 1) / bins for g in norm.values())
            average[b] = momentum * average[b] + (1 - momentum) * num_terms
        expected = np.zeros(z.shape)
        for place, g in norm.items():
            # Terms around it per unit of gradient norm, against as many if they were even.
            density = average[int(g * bins)] * bins
            expected[place] = sum(average) / density * term[place]
        np.testing.assert_allclose(loss(z, labels).numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(loss.histogram.numpy(), average)


def test_mean_of_one_call_is_the_published_sum_over_densities() -> None:
    z, labels = draw(0)
    counted = labels >= 0
    loss = DenseGHMCLoss(5, momentum=0.0)
    y = (labels[counted][:, None] == torch.arange(3)).double().numpy()
    norm = np.abs(1 / (1 + np.exp(-z[counted].numpy())) - y)
    count, _ = np.histogram(norm, bins=5, range=(0, 1))
    density = count[np.minimum((norm * 5).astype(int), 4)] * 5
    assert float(loss(z, labels, avg_factor=2)) == pytest.approx(
        float((-np.log(1 - norm) / density).sum())
    )


def even_logits(bins: int) -> torch.Tensor:
    """A background logit in the middle of each bin."""
    p = (torch.arange(bins, dtype=torch.float64) + 0.5) / bins
    return torch.logit(p)[:, None]


@pytest.mark.parametrize("momentum", [0.0, 0.75])
def test_an_even_histogram_gives_cross_entropy_from_the_first_call(momentum: float) -> None:
    z = even_logits(30)
    labels = torch.ones(30, dtype=torch.long)
    loss = DenseGHMCLoss(30, momentum)
    for _ in range(2):
        torch.testing.assert_close(loss(z, labels), SigmoidCrossEntropyLoss()(z, labels))


def test_one_bin_is_cross_entropy() -> None:
    z, labels = draw(1)
    value = DenseGHMCLoss(bins=1, reduction="sum")(z, labels)
    torch.testing.assert_close(value, SigmoidCrossEntropyLoss(reduction="sum")(z, labels))


def test_every_occupied_bin_weighs_the_same_in_total() -> None:
    z, labels = draw(2, num=40)
    y = (labels[:, None] == torch.arange(3)).long()
    index = find_bins(z, y, 6)
    weight = weigh_density(index, torch.bincount(index.flatten(), minlength=6).double())
    for b in index.unique():
        assert float(weight[index == b].sum()) == pytest.approx(index.numel() / 6)


def test_repeating_all_proposals_changes_no_mean() -> None:
    z, labels = draw(3)
    once, twice = DenseGHMCLoss(10), DenseGHMCLoss(10)
    torch.testing.assert_close(twice(z.repeat(2, 1), labels.repeat(2)), once(z, labels))


def test_no_gradient_flows_through_the_weight() -> None:
    z, labels = draw(4)
    labels[labels < 0] = 3
    z.requires_grad_()
    loss = DenseGHMCLoss(6, momentum=0.0, reduction="sum")
    loss(z, labels).backward()
    y = (labels[:, None] == torch.arange(3)).numpy()
    difference = 1 / (1 + np.exp(-z.detach().numpy())) - y
    index = np.minimum((np.abs(difference) * 6).astype(int), 5)
    count = np.bincount(index.flatten(), minlength=6)
    expected = difference * index.size / (count[index] * 6)
    assert z.grad is not None
    np.testing.assert_allclose(z.grad.numpy(), expected, rtol=1e-9)


def test_gradient_norms_of_zero_and_one_fall_into_the_outer_bins() -> None:
    z = torch.tensor([[-200.0, 200.0]], dtype=torch.float64)
    assert find_bins(z, torch.zeros(1, 2).long(), 30).tolist() == [[0, 29]]


def test_outside_training_the_loss_is_what_training_would_have_given() -> None:
    first, second = DenseGHMCLoss(10), DenseGHMCLoss(10)
    for loss in (first, second):
        loss(*draw(5))
    torch.testing.assert_close(second.eval()(*draw(6)), first(*draw(6)))
