"""An ensemble outputs the mean of its members, in both engines, and ships as a single bundle."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.bundle.combine import combine_bundles
from models.bundle.description import read_model
from models.bundle.load import load_detector
from models.bundle.write import write_bundle
from models.detector import TileBatch
from models.errors import BundleError
from models.network.build import build_network
from tests.models.other_heads import describe_other
from tests.models.small_network import describe_model, describe_network


def make_member(folder: Path, seed: int, **changes: Any) -> Path:
    torch.manual_seed(seed)
    model = describe_model(score_thresholds=(0.001, 0.001)) | changes
    network: Any = build_network(model["network"])
    network.init_weights()
    with torch.no_grad():
        for parameter in network.bbox_head.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    write_bundle(folder, model, network.state_dict(), "# small\n")
    return folder


def combine(tmp_path: Path, *seeds: int) -> Path:
    members = [str(make_member(tmp_path / f"m{index}", seed)) for index, seed in enumerate(seeds)]
    combine_bundles(members, tmp_path / "both", "both")
    return tmp_path / "both"


def tiles() -> TileBatch:
    pixels = np.random.default_rng(0).integers(0, 255, (1, 128, 128, 3), np.uint8)
    return TileBatch(pixels, np.zeros((1, 2)), 1.0)


def raw_outputs(network: nn.Module, pixels: Tensor) -> list[Tensor]:
    described: Any = network.eval()
    with torch.no_grad():
        outputs = described.bbox_head(described.extract_feat(pixels))
    return [level for output in outputs for level in output]


@pytest.mark.parametrize("detector", ["FCOS", "ATSS", "RepPointsDetector", "YOLOF"])
def test_outputs_are_the_mean_of_the_members(detector: str) -> None:
    torch.manual_seed(0)
    member = describe_network() if detector == "FCOS" else describe_other(detector)
    ensemble: Any = build_network(
        {"type": "Ensemble", "members": [member, member, member], "test_cfg": member["test_cfg"]}
    )
    pixels = torch.randn(1, 3, 64, 64)
    together = raw_outputs(ensemble, pixels)
    alone = [raw_outputs(network, pixels) for network in ensemble.members]
    assert not torch.allclose(alone[0][0], alone[1][0])
    for mean, *of_members in zip(together, *alone, strict=True):
        torch.testing.assert_close(mean, torch.stack(of_members).mean(dim=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_twice_the_same_network_is_that_network(engine: Any, tmp_path: Path) -> None:
    both = load_detector(str(combine(tmp_path, 1, 1)), engine=engine).detect(tiles())
    alone = load_detector(str(tmp_path / "m0"), engine=engine).detect(tiles())
    assert len(alone.score) > 3
    np.testing.assert_allclose(both.bbox_xyxy, alone.bbox_xyxy, atol=0.5)
    np.testing.assert_allclose(both.score, alone.score, atol=0.01)


def test_its_bundle_has_every_members_weights_once(tmp_path: Path) -> None:
    folder = combine(tmp_path, 1, 2)
    model = read_model(folder)
    assert model.name == "both"
    assert [member["type"] for member in model.network["members"]] == ["FCOS", "FCOS"]
    sizes = [
        (bundle / "weights.safetensors").stat().st_size for bundle in (folder, tmp_path / "m0")
    ]
    assert sizes[0] < 2.2 * sizes[1]


def test_members_of_other_input_or_number_are_refused(tmp_path: Path) -> None:
    first = make_member(tmp_path / "m0", 0)
    spec = describe_model()["input"] | {"mpp": 0.9}
    second = make_member(tmp_path / "m1", 0, input=spec)
    with pytest.raises(BundleError, match="m1 has other input"):
        combine_bundles([str(first), str(second)], tmp_path / "both", "both")
    with pytest.raises(BundleError, match="at least two bundles, not 1"):
        combine_bundles([str(first)], tmp_path / "both", "both")
    assert not (tmp_path / "both").exists()


def test_members_whose_heads_read_boxes_otherwise_are_refused(tmp_path: Path) -> None:
    first = make_member(tmp_path / "m0", 0)
    network = describe_network()
    network["bbox_head"]["norm_on_bbox"] = False
    second = make_member(tmp_path / "m1", 0, network=network)
    with pytest.raises(BundleError, match=r"m1 has another network\.bbox_head"):
        combine_bundles([str(first), str(second)], tmp_path / "both", "both")


def test_members_may_differ_in_the_norm_of_their_heads(tmp_path: Path) -> None:
    first = make_member(tmp_path / "m0", 0)
    network = describe_network()
    network["bbox_head"]["norm_cfg"] = {"type": "LN2d"}
    other = make_member(tmp_path / "m1", 1, network=network)
    combine_bundles([str(first), str(other)], tmp_path / "both", "both")
    detector = load_detector(str(tmp_path / "both"), engine="torch")
    assert np.isfinite(detector.detect(tiles()).score).all()


def test_a_member_on_another_grid_is_refused(tmp_path: Path) -> None:
    first = make_member(tmp_path / "m0", 0)
    network = describe_network()
    network["neck"] |= {"start_level": 1, "num_outs": 1}
    second = make_member(tmp_path / "m1", 0, network=network)
    with pytest.raises(BundleError, match="m1 gives outputs of other sizes"):
        combine_bundles([str(first), str(second)], tmp_path / "both", "both")


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    first, second = make_member(tmp_path / "m0", 0), make_member(tmp_path / "m1", 1)
    (second / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(BundleError, match=r"m1/weights\.safetensors"):
        combine_bundles([str(first), str(second)], tmp_path / "both", "both")


def test_heads_of_two_kinds_are_refused() -> None:
    members = [describe_network(), describe_other("ATSS")]
    with pytest.raises(BundleError, match="heads of one kind"):
        build_network({"type": "Ensemble", "members": members, "test_cfg": members[0]["test_cfg"]})


def test_a_member_is_held_to_the_list_of_allowed_types() -> None:
    member = describe_network() | {"backbone": {"type": "subprocess.getoutput", "cmd": "id"}}
    with pytest.raises(BundleError, match=r"members\[0\]\.backbone\.type.*not allowed"):
        build_network({"type": "Ensemble", "members": [member], "test_cfg": {}})
