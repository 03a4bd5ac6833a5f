"""Both engines find the same cells, whatever the batch."""

from typing import Any

import numpy as np
import pytest
import torch

from models.bundle.load import load_detector
from models.detector import Detections, Detector, TileBatch
from models.errors import BundleError
from models.inference.engines.choice import make_detector
from models.network.build import build_network
from models.phantom import draw_field
from tests.models.other_heads import describe_other
from tests.models.small_network import describe_network, make_model

#: At this scale a tile is so large that what random weights report of it is no crowd.
LARGE = make_model().input.model_dump() | {"mpp": 5.0}


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
    assert share_matched(reference, other) >= 0.99


def share_matched(reference: Detections, other: Detections, score: float = 0.005) -> float:
    """Of the reference's cells, how many the other has: same tile and class, within 1 px."""
    matched = 0
    for index in range(len(reference)):
        same = (other.label == reference.label[index]) & (
            other.tile_index == reference.tile_index[index]
        )
        near = np.abs(other.bbox_xyxy - reference.bbox_xyxy[index]).max(axis=1) <= 1.0
        close = np.abs(other.score - reference.score[index]) <= score
        matched += bool((same & near & close).any())
    return matched / len(reference)


@pytest.mark.parametrize("name", ["RetinaNet", "ATSS", "GFL", "YOLOF", "RepPointsDetector"])
def test_every_kind_of_head_gives_the_same_cells_in_both_engines(name: str) -> None:
    torch.manual_seed(3)
    network = build_network(describe_other(name)).eval()
    model = make_model(score_thresholds=(0.0, 0.0), input=LARGE)
    reference = make_detector(model, network, "torch", full_precision=True)
    other = make_detector(model, network, "openvino", full_precision=True)
    # Converted for one tile when loaded, so two are also another shape.
    expected, detected = reference.detect(batch(2)), other.detect(batch(2))
    assert len(expected) > 20
    assert len(detected) == pytest.approx(len(expected), rel=0.01, abs=2)
    assert share_matched(expected, detected) >= 0.99


@pytest.mark.parametrize("name", ["ATSS", "RepPointsDetector"])
def test_fields_of_another_size_than_a_tile_give_the_same_cells(name: str) -> None:
    torch.manual_seed(3)
    network = build_network(describe_other(name)).eval()
    model = make_model(score_thresholds=(0.0, 0.0), input=LARGE)
    reference = make_detector(model, network, "torch", full_precision=True)
    other = make_detector(model, network, "openvino", full_precision=True)
    for height, width in ((160, 224), (96, 320)):
        pixels = draw_field(height, width, height, 0.5, 8, {"NILM": 0.6, "HSIL": 0.4})[0]
        field = TileBatch(pixels[None], np.zeros((1, 2)), 1.0)
        expected, detected = reference.detect(field), other.detect(field)
        assert len(expected) > 10
        assert share_matched(expected, detected) >= 0.99


def test_reppoints_is_exact_where_other_networks_run_in_bfloat16() -> None:
    torch.manual_seed(3)
    network = build_network(describe_other("RepPointsDetector")).eval()
    model = make_model(score_thresholds=(0.0, 0.0), input=LARGE)
    # A map of 80 x 40 places: more than bfloat16 can number.
    pixels = draw_field(5, 640, 320, 0.5, 20, {"NILM": 0.6, "HSIL": 0.4})[0]
    field = TileBatch(pixels[None], np.zeros((1, 2)), 1.0)
    expected = make_detector(model, network, "torch", full_precision=True).detect(field)
    detected = make_detector(model, network, "openvino").detect(field)
    assert len(expected) > 10
    assert share_matched(expected, detected) >= 0.99


def test_bfloat16_finds_about_the_same_cells(detectors: dict[str, Detector]) -> None:
    exact = detectors["torch"].detect(batch(3))
    network = detectors["torch"]._forward._graph.network  # type: ignore[attr-defined]
    quick = make_detector(make_model(), network, "torch").detect(batch(3))
    assert len(quick) == pytest.approx(len(exact), rel=0.1)
    np.testing.assert_allclose(quick.score[:10], exact.score[:10], atol=0.02)


def test_the_shipped_detector_finds_the_same_cells_however_it_is_run() -> None:
    fields = [
        draw_field(seed, 512, 512, 0.49, 25, {"NILM": 0.7, "HSIL": 0.3})[0] for seed in (1, 2)
    ]
    tiles = TileBatch(np.stack(fields), np.zeros((2, 2)), 1.0)
    reference = load_detector("default", engine="torch").detect(tiles)
    detected = load_detector("default", engine="openvino").detect(tiles)
    assert len(reference) > 30
    assert len(detected) == pytest.approx(len(reference), rel=0.01, abs=2)
    # Either may run in bfloat16, so one cell or two may be at a threshold; the map to probabilities
    # is twice as steep as the network's own scores.
    assert share_matched(reference, detected, score=0.06) >= 1 - 2 / len(reference)


class NotTraceable(torch.nn.Module):
    """A neck that no tracer can follow."""

    def forward(self, features: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        if torch.jit.is_tracing():
            raise ValueError("not to be traced")
        return features[:1]


def test_where_openvino_cannot_convert_torch_runs_and_says_so() -> None:
    network = build_network(describe_network() | {"neck": None})
    network.neck, network.backbone.out_indices = NotTraceable(), (1,)
    assert make_detector(make_model(), network, "auto", "cpu").info.engine == "torch"
    with pytest.raises(BundleError, match="use engine 'torch'"):
        make_detector(make_model(), network, "openvino")


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (describe_network(num_classes=3), "num_classes of 'small' is 3, but there are 2 classes"),
        (describe_network() | {"test_cfg": {"nms_pre": 5}}, "score_thr of 'small' is 'None'"),
        (
            describe_network() | {"test_cfg": None},
            "score_thr of 'small' is 'None': give a number from 0",
        ),
        (describe_network() | {"test_cfg": {"score_thr": "low"}}, "score_thr of 'small' is 'low'"),
        (describe_network() | {"test_cfg": {"score_thr": 1.5}}, "score_thr of 'small' is '1.5'"),
        ({"type": "ReLU"}, "ReLU of 'small' has no dense bbox_head"),
    ],
)
def test_a_network_that_does_not_fit_its_model_is_refused(
    description: dict[str, Any], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        make_detector(make_model(), build_network(description), "torch")


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
    detected = detectors[engine].detect(batch(2))
    assert detected.bbox_xyxy.dtype == np.float32
    for index, (x, y) in enumerate([(0.0, 500.0), (1000.0, 500.0)]):
        box = detected.bbox_xyxy[detected.tile_index == index]
        assert (box[:, [0, 2]] >= x - 0.01).all()
        assert (box[:, [0, 2]] <= x + 256.01).all()
        assert (box[:, [1, 3]] >= y - 0.01).all()
    assert (detected.score >= 0.05).all()


def test_an_empty_batch_gives_nothing(detectors: dict[str, Detector]) -> None:
    empty = TileBatch(np.zeros((0, 128, 128, 3), np.uint8), np.zeros((0, 2)), 2.0)
    assert len(detectors["torch"].detect(empty)) == 0


def test_engines_say_which_they_are(detectors: dict[str, Detector]) -> None:
    assert {name: detector.info.engine for name, detector in detectors.items()} == {
        "torch": "torch",
        "openvino": "openvino",
    }


def test_a_device_that_is_not_there_is_named() -> None:
    network = build_network(describe_network())
    with pytest.raises(BundleError, match="no device 'tpu': use auto, cpu, cuda"):
        make_detector(make_model(), network, "torch", "tpu")


def test_a_network_that_overflows_is_refused_instead_of_finding_nothing() -> None:
    network: Any = build_network(describe_network()).eval()
    with torch.no_grad():
        network.bbox_head.conv_cls.weight.fill_(3e38)
        network.bbox_head.conv_cls.bias.fill_(-3e38)
    for engine in ("torch", "openvino"):
        detector = make_detector(make_model(), network, engine)  # type: ignore[arg-type]
        with pytest.raises(BundleError, match="'small' gives numbers that are not finite"):
            detector.detect(batch(1))
