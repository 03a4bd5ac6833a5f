"""Only networks of allowed parts are built; what could run code is refused by name."""

from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from torch import nn

from models.errors import BundleError
from models.network.build import (
    _limit_modules,
    build_network,
    check_description,
    describe_for_classes,
    outline_network,
)
from models.training.config import CONFIGS_DIR, read_config
from tests.models.small_network import describe_network


def test_an_allowed_network_is_built() -> None:
    network = build_network(describe_network())
    assert type(network.bbox_head.loss_cls).__name__ == "GradLibraLoss"
    assert network.bbox_head.cls_out_channels == 2


@pytest.mark.parametrize("path", sorted(CONFIGS_DIR.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_can_be_built(path: Path) -> None:
    config = read_config(path)
    network = build_network(config.network)
    # A bundle of float32 weights stays below 50 MB.
    assert sum(parameter.numel() for parameter in network.parameters()) < 12_000_000


def test_head_and_loss_are_made_for_the_classes_of_the_data() -> None:
    description = describe_network()
    description["bbox_head"]["loss_cls"] = {
        "type": "LogitAdjustedLoss",
        "num_classes": 2,
        "use_sigmoid": True,
    }
    network = build_network(describe_for_classes(description, 9))
    assert network.bbox_head.num_classes == 9
    assert network.bbox_head.loss_cls.num_classes == 9
    assert description["bbox_head"]["num_classes"] == 2


def with_value(place: str, value: Any) -> dict[str, Any]:
    description = describe_network()
    *parents, last = place.split(".")
    inner: Any = description
    for key in parents:
        inner = inner[key]
    inner[last] = value
    return description


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("type", "subprocess.getoutput", r"network\.type = 'subprocess.getoutput' is not allowed"),
        ("backbone.type", "os.system", r"network\.backbone\.type"),
        ("bbox_head.loss_cls.type", "builtins.eval", r"network\.bbox_head\.loss_cls\.type"),
        ("neck", [{"type": "torch.load"}], r"network\.neck\[0\]\.type"),
        ("backbone.type", ["ResNet"], "is not allowed"),
        ("backbone.type", 7, "is not allowed"),
        ("custom_imports", {"imports": ["os"]}, r"network\.custom_imports is refused"),
        ("backbone._scope_", "mmpretrain", "_scope_ is refused"),
        ("_base_", "http://x/y.py", "_base_ is refused"),
        (
            "backbone.init_cfg",
            {"type": "Pretrained", "checkpoint": "http://x/y.pth"},
            "Pretrained|checkpoint",
        ),
        ("backbone.init_cfg", {"type": "PretrainedInit"}, "PretrainedInit"),
        ("backbone.pretrained", "torchvision://resnet18", "pretrained is refused"),
        ("backbone.__class__", "x", "refused"),
    ],
)
def test_what_could_run_code_is_refused_with_its_place(
    place: str, value: Any, message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        check_description(with_value(place, value))


def test_a_stranger_cannot_run_a_command(tmp_path: Path) -> None:
    target = tmp_path / "pwned"
    with pytest.raises(BundleError):
        build_network({"type": "subprocess.getoutput", "cmd": f"touch {target}"})
    assert not target.exists()


@pytest.mark.parametrize("description", [{}, [], "FCOS", None])
def test_what_is_no_description_is_refused(description: Any) -> None:
    with pytest.raises(BundleError, match="object with a 'type'"):
        build_network(description)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("backbone.depth", 19),
        ("backbone.base_channels", -1),
        ("backbone.norm_cfg.requires_grad", [{}]),
        ("bbox_head.strides", {}),
        ("bbox_head.num_classes", -1),
        ("bbox_head.norm_cfg.num_groups", 0),
        ("bbox_head.loss_cls", None),
    ],
)
def test_wrong_arguments_are_reported_as_such(place: str, value: Any) -> None:
    with pytest.raises(BundleError, match="cannot be built"):
        build_network(with_value(place, value))


@pytest.mark.parametrize(
    "change",
    [
        {"stacked_convs": 10**9},
        {"conv_bias": True, "stacked_convs": 9_000},
    ],
)
def test_a_network_of_a_million_layers_is_refused_before_it_is_made(
    change: dict[str, Any],
) -> None:
    description = describe_network()
    description["bbox_head"] |= change
    with pytest.raises(BundleError, match="more than 10000 parts"):
        outline_network(description)
    # The count begins anew for the next network.
    assert outline_network(describe_network())


@pytest.mark.parametrize(
    ("key", "value", "limit"),
    [
        ("num_points", 10**10, 225),
        ("num_points", float("nan"), 225),
        ("scales_per_octave", 1e300, 32),
        ("num_outs", 10**9, 16),
        ("strides", [8] * 17, 16),
        ("ratios", [1.0] * 33, 32),
        ("scales", [[1.0] * 33], 32),
    ],
)
def test_what_would_fill_the_memory_outside_the_outline_is_refused_by_name(
    key: str, value: Any, limit: int
) -> None:
    description = with_value(f"bbox_head.{key}", value)
    with pytest.raises(BundleError, match=rf"bbox_head\.{key} = .* is too large: at most {limit}$"):
        check_description(description)


def test_another_threads_networks_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    num_modules = sum(1 for _ in build_network(describe_network()).modules())
    monkeypatch.setattr("models.network.build.MAX_MODULES", num_modules + 5)
    other_modules = nn.Sequential()
    with _limit_modules():
        other_thread = Thread(
            target=lambda: [other_modules.append(nn.ReLU()) for _ in range(num_modules + 50)]
        )
        other_thread.start()
        other_thread.join()
        nn.Sequential(nn.ReLU())
    assert len(other_modules) == num_modules + 50
