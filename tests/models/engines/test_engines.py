"""Both engines find the same cells, whatever the batch."""

import numpy as np
import pytest
import torch

from models.detector import Detector, TileBatch
from models.engines.choice import make_detector
from models.errors import BundleError
from models.network import build_network
from models.phantom import draw_field
from tests.models.small_network import describe_network, make_model


@pytest.fixture(scope="module")
def detectors() -> dict[str, Detector]:
    torch.manual_seed(3)
    network = build_network(describe_network())
    network.init_weights()
    with torch.no_grad():
        network.bbox_head.conv_cls.bias.fill_(0.0)
        network.bbox_head.conv_cls.weight.mul_(30)
        network.bbox_head.conv_reg.bias.fill_(4.0)
    network.eval()
    return {
        name: make_detector(make_model(), network, name, full_precision=True)  # type: ignore[arg-type]
        for name in ("torch", "openvino")
    }


def batch(count: int) -> TileBatch:
    tiles = [draw_field(s, 128, 128, 0.5, 4, {"NILM": 0.5, "HSIL": 0.5})[0] for s in range(count)]
    origin = np.array([[1000.0 * index, 500.0] for index in range(count)])
    return TileBatch(np.stack(tiles), origin, 2.0)


def test_torch_and_openvino_find_the_same_cells(detectors: dict[str, Detector]) -> None:
    reference = detectors["torch"].detect(batch(3))
    other = detectors["openvino"].detect(batch(3))
    assert len(reference) > 20
    assert abs(len(other) - len(reference)) <= max(2, 0.01 * len(reference))
    matched = 0
    for index in range(len(reference)):
        same = (other.label == reference.label[index]) & (
            other.tile_index == reference.tile_index[index]
        )
        near = np.abs(other.bbox_xyxy - reference.bbox_xyxy[index]).max(axis=1) <= 1.0
        close = np.abs(other.score - reference.score[index]) <= 0.005
        matched += bool((same & near & close).any())
    assert matched >= 0.99 * len(reference)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_tile_gives_the_same_cells_alone_and_in_a_batch(
    detectors: dict[str, Detector], engine: str
) -> None:
    together = detectors[engine].detect(batch(3))
    alone = detectors[engine].detect(batch(1))
    first = together.take(together.tile_index == 0)
    assert abs(len(first) - len(alone)) <= 2
    np.testing.assert_allclose(first.score[:5], alone.score[:5], atol=0.03)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_boxes_are_level_zero_px_of_their_own_tile(
    detectors: dict[str, Detector], engine: str
) -> None:
    found = detectors[engine].detect(batch(2))
    assert found.bbox_xyxy.dtype == np.float32
    for index, (x, y) in enumerate([(0.0, 500.0), (1000.0, 500.0)]):
        box = found.bbox_xyxy[found.tile_index == index]
        assert (box[:, [0, 2]] >= x - 0.01).all()
        assert (box[:, [0, 2]] <= x + 256.01).all()
        assert (box[:, [1, 3]] >= y - 0.01).all()
    assert (found.score >= 0.05).all()


def test_an_empty_batch_gives_nothing(detectors: dict[str, Detector]) -> None:
    empty = TileBatch(np.zeros((0, 128, 128, 3), np.uint8), np.zeros((0, 2)), 2.0)
    assert len(detectors["torch"].detect(empty)) == 0


def test_engines_say_which_they_are(detectors: dict[str, Detector]) -> None:
    assert {name: one.info.engine for name, one in detectors.items()} == {
        "torch": "torch",
        "openvino": "openvino",
    }


def test_a_device_that_is_not_there_is_named() -> None:
    network = build_network(describe_network())
    with pytest.raises(BundleError, match="runs on the CPU"):
        make_detector(make_model(), network, "openvino", "tpu")
    if not torch.cuda.is_available():
        with pytest.raises(BundleError, match="sees no GPU"):
            make_detector(make_model(), network, "torch", "cuda")
