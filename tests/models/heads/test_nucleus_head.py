"""NucleusHead: class log-odds are those of a softmax, and a small network learns with it."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.heads.nucleus_head import odds_against_rest, quality_focal_loss
from models.network import build_network
from models.training.batches import make_data_samples
from tests.models.small_network import describe_network


def describe(**changes: Any) -> dict[str, Any]:
    network = describe_network()
    head = network["bbox_head"] | {"type": "NucleusHead"} | changes
    head.pop("loss_centerness", None)
    head["loss_cls"] = {"type": "LogitAdjustedLoss", "num_classes": 2, "use_sigmoid": True}
    return network | {"bbox_head": head}


@settings(max_examples=50)
@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6))
def test_sigmoid_of_the_odds_is_the_softmax(logits: list[float]) -> None:
    z = torch.tensor(logits).view(1, -1, 1, 1)
    odds = odds_against_rest(z)
    torch.testing.assert_close(odds.sigmoid(), z.softmax(dim=1), rtol=1e-4, atol=1e-6)


def test_quality_focal_loss_is_least_at_the_quality_asked_for() -> None:
    quality = torch.tensor([0.0, 0.3, 1.0])
    exact = quality_focal_loss(torch.logit(quality, eps=1e-6), quality)
    off = quality_focal_loss(torch.logit(quality, eps=1e-6) + 1.0, quality)
    assert (exact < 1e-6).all()
    assert (off[1:2] > exact[1:2]).all()


def losses_of(network: torch.nn.Module, num_cells: int) -> dict[str, torch.Tensor]:
    boxes = torch.tensor([[20.0, 20, 62, 62], [50.0, 50, 92, 92]])[:num_cells]
    labels = torch.tensor([0, 1])[:num_cells]
    samples = make_data_samples([boxes], [labels], 96, torch.device("cpu"))
    return network.train().loss(torch.randn(1, 3, 96, 96), samples)


@pytest.mark.parametrize("num_cells", [0, 2])
def test_losses_are_finite_and_reach_every_weight(num_cells: int) -> None:
    network = build_network(describe())
    network.init_weights()
    losses = losses_of(network, num_cells)
    assert set(losses) == {"loss_cls", "loss_bbox", "loss_objectness"}
    torch.stack([value.sum() for value in losses.values()]).sum().backward()
    head = dict(network.bbox_head.named_parameters())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.values())


def test_background_teaches_objectness_alone() -> None:
    network = build_network(describe())
    network.init_weights()
    losses = losses_of(network, 0)
    assert losses["loss_cls"].item() == 0
    assert losses["loss_bbox"].item() == 0
    assert losses["loss_objectness"].item() > 0
