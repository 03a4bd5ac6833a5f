"""Which weights decay, and how fast each part of a network learns."""

import pytest
import torch
from torch import nn

from models.training.optimiser import learning_rate_factor, make_optimiser
from tests.models.small_training import make_config


def make_network() -> nn.Module:
    return nn.ModuleDict({"backbone": nn.Linear(2, 3), "bbox_head": nn.Linear(3, 1)})


def test_every_weight_learns_and_vectors_do_not_decay() -> None:
    network = make_network()
    groups = make_optimiser(network, make_config().train).param_groups
    learned = {id(p): group for group in groups for p in group["params"]}
    assert set(learned) == {id(p) for p in network.parameters()}
    assert all((learned[id(p)]["weight_decay"] == 0) == (p.ndim == 1) for p in network.parameters())


def test_the_backbone_may_learn_more_slowly() -> None:
    network = make_network()
    groups = make_optimiser(
        network, make_config(lr=1e-2, backbone_lr_factor=0.1).train
    ).param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert rates[id(network["backbone"].weight)] == pytest.approx(1e-3)
    assert rates[id(network["bbox_head"].weight)] == pytest.approx(1e-2)


def test_frozen_weights_are_left_out() -> None:
    network = make_network()
    network["backbone"].requires_grad_(False)
    groups = make_optimiser(network, make_config().train).param_groups
    assert sum(len(group["params"]) for group in groups) == 2


@pytest.mark.parametrize(("progress", "factor"), [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)])
def test_the_rate_falls_along_half_a_cosine(progress: float, factor: float) -> None:
    assert learning_rate_factor(progress, 1000, 10) == pytest.approx(factor, abs=1e-12)


def test_the_rate_rises_over_the_warm_up() -> None:
    rates = [learning_rate_factor(0.0, iteration, 4) for iteration in range(5)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert torch.tensor(rates).diff().ge(0).all()
