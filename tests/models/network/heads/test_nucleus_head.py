"""NucleusHead: class log-odds are those of a softmax, and a small network learns with it."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.network.build import build_network
from models.network.heads.nucleus_head import join_odds, quality_focal_loss
from models.training.batches import make_data_samples
from tests.models.small_network import describe_network


def describe(**changes: Any) -> dict[str, Any]:
    network = describe_network()
    head = network["bbox_head"] | {"type": "NucleusHead"} | changes
    head.pop("loss_centerness", None)
    head["loss_cls"] = {"type": "LogitAdjustedLoss", "num_classes": 2, "use_sigmoid": True}
    return network | {"bbox_head": head}


@settings(max_examples=50)
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=6), st.floats(-30, 8))
def test_joint_odds_are_those_of_the_product(logits: list[float], objectness: float) -> None:
    z, o = torch.tensor(logits).view(1, -1, 1, 1), torch.tensor(objectness).view(1, 1, 1, 1)
    expected = z.softmax(dim=1) * o.sigmoid()
    torch.testing.assert_close(join_odds(z, o).sigmoid(), expected, rtol=1e-3, atol=2e-4)


def test_joint_odds_keep_the_order_of_certain_cells() -> None:
    objectness = torch.tensor([2.0, 4.0, 6.0]).view(1, 1, 1, 3)
    odds = join_odds(torch.tensor([8.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 3), objectness)
    assert (odds[0, 0, 0].diff() > 0).all()


def test_quality_focal_loss_has_its_minimum_at_the_target_quality() -> None:
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


def test_box_loss_is_that_of_fcos_and_the_target_of_objectness_is_its_centerness() -> None:
    torch.manual_seed(0)
    nucleus_head, fcos_head = (
        build_network(describe()).bbox_head,
        build_network(describe_network()).bbox_head,
    )
    side = 96 // 4
    logit, objectness = torch.randn(1, 2, side, side), torch.randn(1, 1, side, side)
    distance = torch.rand(1, 4, side, side) * 30
    boxes = torch.tensor([[20.0, 20, 62, 62], [50.0, 50, 92, 92]])
    samples = make_data_samples([boxes], [torch.tensor([0, 1])], 96, torch.device("cpu"))
    cells, meta = samples[0].gt_instances, samples[0].metainfo
    losses = nucleus_head.loss_by_feat([logit], [distance], [objectness], [cells], [meta])
    expected = fcos_head.loss_by_feat([logit], [distance], [objectness], [cells], [meta])
    torch.testing.assert_close(losses["loss_bbox"], expected["loss_bbox"])
    points = fcos_head.prior_generator.grid_priors([(side, side)], torch.float32, "cpu")
    labels, distances = fcos_head.get_targets(points, [cells])
    on_cell = labels[0] < 2
    quality = torch.zeros(side * side)
    quality[on_cell] = fcos_head.centerness_target(distances[0][on_cell])
    terms = quality_focal_loss(objectness.flatten(), quality)
    torch.testing.assert_close(losses["loss_objectness"], terms.sum() / quality.sum())
