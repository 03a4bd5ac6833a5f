"""What holds for every dense sigmoid loss, whatever its terms are."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.bundle.load import load_detector
from models.bundle.write import write_bundle
from models.errors import BundleError
from models.network.build import build_network
from models.network.losses.dense_sigmoid import DenseSigmoidLoss
from models.training.average import start_average
from models.training.batches import make_data_samples
from tests.models.network.losses.loss_cases import (
    ALL,
    STATEFUL,
    draw,
    for_classes,
    make_loss,
    make_trained,
)
from tests.models.other_heads import describe_other
from tests.models.small_network import describe_model, describe_network

every_loss = pytest.mark.parametrize("name", ALL)
stateful_loss = pytest.mark.parametrize("name", STATEFUL)


def state(loss: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in loss.state_dict().items()}


def assert_same_state(first: nn.Module, second: nn.Module) -> None:
    torch.testing.assert_close(state(first), state(second))


def gradient(loss: DenseSigmoidLoss, z: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    leaf = z.clone().requires_grad_()
    loss(leaf, *args, **kwargs).backward()
    assert leaf.grad is not None
    return leaf.grad


@every_loss
def test_labels_background_and_ignored_rows_equal_their_one_hot_form(name: str) -> None:
    z, labels = draw(0)
    one_hot = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [-1, -1, -1]])[labels]
    by_label, by_row = make_trained(name), make_trained(name)
    first = by_label(z, labels, reduction_override="none")
    torch.testing.assert_close(first, by_row(z, one_hot, reduction_override="none"))
    assert (first[labels < 0] == 0).all()
    assert_same_state(by_label, by_row)


@every_loss
@pytest.mark.parametrize("poison", [1.0, torch.inf, torch.nan])
def test_ignored_proposals_do_nothing(name: str, poison: float) -> None:
    z, labels = draw(1)
    counted = labels >= 0
    z[~counted] = poison
    on_all, on_some = make_trained(name, reduction="sum"), make_trained(name, reduction="sum")
    grad = gradient(on_all, z, labels)
    torch.testing.assert_close(grad[counted], gradient(on_some, z[counted], labels[counted]))
    assert (grad[~counted] == 0).all()
    assert_same_state(on_all, on_some)


@every_loss
def test_proposals_of_weight_zero_do_nothing(name: str) -> None:
    z, labels = draw(2)
    weight = torch.tensor([1.0, 0.0, 2.0])[torch.arange(len(z)) % 3].double()
    weighted = weight > 0
    on_all, on_some = make_trained(name, reduction="sum"), make_trained(name, reduction="sum")
    grad = gradient(on_all, z, labels, weight)
    torch.testing.assert_close(
        grad[weighted], gradient(on_some, z[weighted], labels[weighted], weight[weighted])
    )
    assert (grad[~weighted] == 0).all()
    assert_same_state(on_all, on_some)


@every_loss
@pytest.mark.parametrize("shape", ["row", "full", "flat"])
def test_weights_of_every_shape_scale_their_terms(name: str, shape: str) -> None:
    z, labels = draw(3)
    row = torch.linspace(0.5, 1.5, len(z), dtype=torch.float64)
    full = row[:, None].expand(z.shape).contiguous()
    weight = {"row": row, "full": full, "flat": full.reshape(-1)}[shape]
    terms = make_trained(name)(z, labels, reduction_override="none")
    loss = make_trained(name, loss_weight=2.0, reduction="sum")(z, labels, weight)
    torch.testing.assert_close(loss, 2 * (terms * full).sum(), rtol=1e-6, atol=0)


@every_loss
def test_mean_divides_by_avg_factor(name: str) -> None:
    z, labels = draw(4)
    terms = make_trained(name)(z, labels, reduction_override="none")
    # GHM-C has a divisor of its own: the terms that count.
    divisor = 3 * int((labels >= 0).sum()) if name == "DenseGHMCLoss" else 7
    mean = make_trained(name)(z, labels, avg_factor=7)
    torch.testing.assert_close(mean, terms.sum() / divisor, rtol=1e-6, atol=0)


@every_loss
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("num", [0, 4])
def test_nothing_to_count_gives_zero_with_a_gradient_path(
    name: str, reduction: str, num: int
) -> None:
    loss = make_trained(name, reduction=reduction)
    before = state(loss)
    z = torch.randn(num, 3, requires_grad=True)
    total = loss(z, torch.full((num,), -1))
    total.backward()
    assert float(total.detach()) == 0
    assert z.grad is not None
    assert (z.grad == 0).all()
    torch.testing.assert_close(state(loss), before)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_far_logits_give_finite_loss_gradient_and_state(name: str, dtype: torch.dtype) -> None:
    far = torch.tensor([-100.0, 0.0, 100.0], dtype=dtype)
    z = torch.cartesian_prod(far, far, far).repeat(4, 1)
    labels = torch.arange(4).repeat_interleave(27)
    loss, exact = make_trained(name, reduction="sum"), make_trained(name, reduction="sum")
    leaf = z.clone().requires_grad_()
    for _ in range(2):
        total = loss(leaf, labels)
        expected = exact(z.double(), labels)
    total.backward()
    assert total.dtype == torch.float32
    assert torch.isfinite(total)
    torch.testing.assert_close(total.double(), expected, rtol=1e-4, atol=0)
    assert leaf.grad is not None
    assert torch.isfinite(leaf.grad).all()
    assert all(torch.isfinite(value).all() for value in state(loss).values())


@every_loss
def test_permuting_classes_permutes_the_gradient(name: str) -> None:
    order = [2, 0, 1]
    place = torch.tensor([order.index(label) for label in range(3)] + [3, -1])
    straight, permuted = make_loss(name), make_loss(name, order)
    for seed in range(3):
        z, labels = draw(seed)
        expected = gradient(straight, z, labels)[:, order]
        torch.testing.assert_close(gradient(permuted, z[:, order], place[labels]), expected)


#: The others weigh terms by factors through which no gradient flows; their own tests check it.
@pytest.mark.parametrize("name", sorted({*ALL} - {"DenseSeesawLoss", "DenseGHMCLoss"}))
def test_gradient_passes_finite_differences(name: str) -> None:
    loss = make_trained(name).eval()
    z, labels = draw(5)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), (z.requires_grad_(),))


@every_loss
def test_loss_is_not_negative_and_falls_along_its_gradient(name: str) -> None:
    loss = make_trained(name).eval()
    z, labels = draw(6)
    step = gradient(loss, z, labels)
    before, after = loss(z, labels), loss(z - 1e-4 * step / step.norm(), labels)
    assert 0 <= float(after) < float(before)


@stateful_loss
def test_statistics_move_only_in_training(name: str) -> None:
    loss = make_trained(name)
    before = state(loss)
    loss.eval()(*draw(7))
    torch.testing.assert_close(state(loss), before)
    loss.train()(*draw(7))
    assert any(not torch.equal(value, before[key]) for key, value in state(loss).items())
    assert not any(value.requires_grad for value in loss.state_dict().values())


@stateful_loss
def test_statistics_move_without_gradients_alike(name: str) -> None:
    with_graph, without = make_trained(name), make_trained(name)
    gradient(with_graph, *draw(8))
    with torch.no_grad():
        without(*draw(8))
    assert_same_state(with_graph, without)


@stateful_loss
def test_a_restored_loss_goes_on_equally(name: str) -> None:
    first, second = make_trained(name), make_loss(name)
    second.load_state_dict(state(first))
    for seed in range(3):
        z, labels = draw(seed)
        torch.testing.assert_close(gradient(second, z, labels), gradient(first, z, labels))
    assert_same_state(first, second)


@pytest.mark.parametrize("name", sorted({*ALL} - {*STATEFUL}))
def test_the_others_have_nothing_to_restore(name: str) -> None:
    assert not make_trained(name).state_dict()


@every_loss
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"use_sigmoid": False}, r"use_sigmoid is False.*be True"),
        ({"reduction": "median"}, r"reduction is 'median'.*'mean'"),
    ],
)
def test_wrong_shared_settings_are_refused(name: str, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_loss(name, **wrong)


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("DenseFocalLoss", "gamma", -1.0),
        ("DenseFocalLoss", "gamma", float("nan")),
        ("DenseFocalLoss", "alpha", 1.5),
        ("ClassBalancedLoss", "beta", 1.0),
        ("ClassBalancedLoss", "gamma", -0.5),
        ("DenseSeesawLoss", "num_classes", 0),
        ("DenseSeesawLoss", "p", -0.1),
        ("DenseSeesawLoss", "q", -2.0),
        ("DenseSeesawLoss", "min_score", 0.0),
        ("DenseSeesawLoss", "acts_on", "score"),
        ("EqlV2Loss", "num_classes", -1),
        ("EqlV2Loss", "gamma", 0.0),
        ("EqlV2Loss", "mu", -1.0),
        ("EqlV2Loss", "alpha", float("inf")),
        ("DenseBalancedGroupLoss", "group_edges", [100, 10]),
        ("DenseBalancedGroupLoss", "others_weight", -1.0),
        ("DenseGHMCLoss", "bins", 0),
        ("DenseGHMCLoss", "momentum", 1.0),
        ("EqualizedFocalLoss", "num_classes", 0),
        ("EqualizedFocalLoss", "gamma_base", 0.0),
        ("EqualizedFocalLoss", "alpha", -0.1),
        ("EqualizedFocalLoss", "scale", -8.0),
    ],
)
def test_wrong_settings_are_refused_by_name_and_value(name: str, argument: str, value: Any) -> None:
    with pytest.raises(ValueError) as caught:
        make_trained(name, **{argument: value})
    assert str(caught.value).startswith(f"{argument} is {value!r}, but must ")


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("ClassBalancedLoss", []),
        ("ClassBalancedLoss", [5, 0, 3]),
        ("DenseBalancedGroupLoss", []),
        ("DenseBalancedGroupLoss", [5, -1, 3]),
    ],
)
def test_wrong_class_counts_are_refused(name: str, counts: list[int]) -> None:
    with pytest.raises(ValueError, match="class_counts is") as caught:
        type(make_loss(name))(class_counts=counts)  # type: ignore[call-arg]
    assert repr(counts) in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "ClassBalancedLoss",
        "DenseBalancedGroupLoss",
        "DenseSeesawLoss",
        "EqlV2Loss",
        "EqualizedFocalLoss",
    ],
)
def test_logits_of_another_number_of_classes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"pred has 4 classes.*made for 3"):
        make_loss(name)(torch.zeros(2, 4), torch.zeros(2, dtype=torch.long))


def describe(detector: str, loss_name: str) -> dict[str, Any]:
    """A small network of two classes that can be trained with that loss."""
    network = describe_network() if detector == "FCOS" else describe_other(detector)
    loss_cls = {"type": loss_name, "use_sigmoid": True}
    network["bbox_head"] = network["bbox_head"] | {
        "loss_cls": loss_cls | for_classes(loss_name, [0, 2])
    }
    shared = {"allowed_border": -1, "pos_weight": -1, "debug": False}
    point = {"type": "PointAssigner", "scale": 4, "pos_num": 4}
    overlap = {"type": "MaxIoUAssigner", "pos_iou_thr": 0.5, "neg_iou_thr": 0.4}
    overlap |= {"min_pos_iou": 0.0, "ignore_iof_thr": -1}
    uniform = {"type": "UniformAssigner", "pos_ignore_thr": 0.15, "neg_ignore_thr": 0.7}
    train_cfg: dict[str, Any] = {
        "FCOS": {},
        "RepPointsDetector": {
            "init": {"assigner": point} | shared,
            "refine": {"assigner": overlap} | shared,
        },
        "ATSS": {"assigner": {"type": "ATSSAssigner", "topk": 9}} | shared,
        "YOLOF": {"assigner": uniform} | shared,
    }
    return network | {"train_cfg": train_cfg[detector]}


@every_loss
@pytest.mark.parametrize("detector", ["FCOS", "RepPointsDetector", "ATSS", "YOLOF"])
def test_a_detector_takes_one_finite_step(detector: str, name: str) -> None:
    torch.manual_seed(0)
    network: Any = build_network(describe(detector, name))
    network.init_weights()
    average = start_average(network, 0.9)
    bbox = torch.tensor([[4.0, 4.0, 24.0, 26.0], [30.0, 30.0, 52.0, 56.0]])
    samples = make_data_samples(
        [bbox, bbox[:0]],
        [torch.tensor([0, 1]), torch.zeros(0, dtype=torch.long)],
        64,
        torch.device("cpu"),
    )
    loss_cls = network.loss(torch.randn(2, 3, 64, 64), samples)["loss_cls"]
    total = sum(loss_cls) if isinstance(loss_cls, list) else loss_cls
    total.backward()
    average.update_parameters(network)
    assert 0 < float(total.detach()) < 1e4
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert gradients
    assert all(torch.isfinite(grad).all() for grad in gradients)
    assert max(float(grad.abs().max()) for grad in gradients) > 0


@stateful_loss
def test_a_bundle_keeps_the_statistics_and_is_loaded(name: str, tmp_path: Path) -> None:
    model = describe_model(network=describe("FCOS", name))
    network: Any = build_network(model["network"])
    network.bbox_head.loss_cls(torch.randn(8, 2), torch.arange(8) % 3)
    expected = state(network.bbox_head.loss_cls)
    assert any(value.any() for value in expected.values())
    write_bundle(tmp_path / "small", model, network.state_dict(), "# small\n")
    detector: Any = load_detector(str(tmp_path / "small"), engine="torch")
    torch.testing.assert_close(state(detector._forward._graph.network.bbox_head.loss_cls), expected)


@stateful_loss
def test_a_checkpoint_keeps_the_statistics_of_network_and_average(
    name: str, tmp_path: Path
) -> None:
    network: Any = build_network(describe("FCOS", name))
    average = start_average(network, 0.9)
    network.bbox_head.loss_cls(torch.randn(8, 2), torch.arange(8) % 3)
    average.update_parameters(network)
    torch.save([network.state_dict(), average.state_dict()], tmp_path / "state.pt")
    first, second = torch.load(tmp_path / "state.pt", weights_only=True)
    resumed: Any = build_network(describe("FCOS", name))
    averaged: Any = start_average(resumed, 0.9)
    resumed.load_state_dict(first)
    averaged.load_state_dict(second)
    assert_same_state(resumed.bbox_head.loss_cls, network.bbox_head.loss_cls)
    assert_same_state(averaged.module, average.module)


def test_a_network_with_a_wrong_loss_setting_is_refused_as_a_bundle() -> None:
    description = describe("FCOS", "EqualizedFocalLoss")
    description["bbox_head"]["loss_cls"]["gamma_base"] = 0
    with pytest.raises(BundleError, match="gamma_base is 0, but must be a number > 0"):
        build_network(description)
