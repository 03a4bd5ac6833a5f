"""The moving average forgets where it began, and then averages as far back as asked."""

import pytest
import torch
from torch import nn

from models.training.average import start_average


def run(decay: float, num_iterations: int) -> float:
    network = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(100.0)
    average = start_average(network, decay)
    with torch.no_grad():
        network.weight.fill_(1.0)
    for _ in range(num_iterations):
        average.update_parameters(network)
    return float(average.module.weight.detach())


def test_random_weights_are_forgotten_within_a_short_run() -> None:
    assert run(0.998, 40) == pytest.approx(1.0, abs=1e-3)


def test_without_decay_it_is_the_latest() -> None:
    assert run(0.0, 1) == 1.0


def test_later_on_the_decay_is_the_one_asked_for() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = start_average(network, 0.9)
    for value in [0.0] * 200 + [1.0]:
        with torch.no_grad():
            network.weight.fill_(value)
        average.update_parameters(network)
    assert float(average.module.weight.detach()) == pytest.approx(0.1)


def test_counts_of_batch_norm_are_copied() -> None:
    network = nn.BatchNorm2d(2)
    average = start_average(network, 0.9)
    network(torch.randn(4, 2, 3, 3))
    average.update_parameters(network)
    assert int(average.module.num_batches_tracked) == 1
