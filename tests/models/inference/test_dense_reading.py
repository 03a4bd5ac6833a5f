"""Every kind of head is read whole: as mmdet reads it, but without its caps."""

from typing import Any

import numpy as np
import pytest
import torch

from models.inference.dense_reading import NO_CAP, HeadReader
from models.inference.engines.torch import TorchForward
from models.network.build import build_network
from models.phantom import draw_field
from tests.models.other_heads import describe_other
from tests.models.small_network import describe_network, make_model

HEADS = ["FCOS", "NucleusHead", "RetinaNet", "ATSS", "GFL", "YOLOF", "RepPointsDetector"]
SIZE_PX = (96, 160)
SCORE_THR = 0.01


def describe(name: str) -> dict[str, Any]:
    if name in ("FCOS", "NucleusHead"):
        network = describe_network()
        head = {"FCOS": "FCOSHead"}.get(name, name)
        network["bbox_head"] = network["bbox_head"] | {"type": head}
        return network
    return describe_other(name)


def run(description: dict[str, Any]) -> tuple[Any, list[torch.Tensor]]:
    """A network with random weights, and its raw outputs on two tiles."""
    torch.manual_seed(3)
    network: Any = build_network(description).eval()
    if hasattr(network.bbox_head, "conv_reg"):
        torch.nn.init.constant_(network.bbox_head.conv_reg.bias, 4.0)  # boxes with an area
    tiles = [draw_field(seed, *SIZE_PX[::-1], 0.5, 8, {"HSIL": 1.0})[0] for seed in (1, 2)]
    forward = TorchForward(network, make_model().input, "cpu", full_precision=True)
    return network, forward.run(np.stack(tiles))


def read_by_mmdet(network: Any, raw: list[torch.Tensor], test_cfg: dict[str, Any]) -> list[Any]:
    from mmengine.config import ConfigDict

    levels = len(network.bbox_head.prior_generator.strides)
    outputs = [raw[start : start + levels] for start in range(0, len(raw), levels)]
    return list(
        network.bbox_head.predict_by_feat(
            *outputs,
            batch_img_metas=[{"img_shape": SIZE_PX}] * 2,
            cfg=ConfigDict(test_cfg),
            with_nms=False,
        )
    )


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_read_as_mmdet_reads_it(name: str) -> None:
    network, raw = run(describe(name))
    expected = read_by_mmdet(network, raw, {"score_thr": SCORE_THR, "nms_pre": NO_CAP})
    read = HeadReader(network.bbox_head, {"score_thr": SCORE_THR}).read(raw, SIZE_PX)
    assert len(read) == 2
    for candidates, instances in zip(read, expected, strict=True):
        has_area = ((instances.bboxes[:, 2:] - instances.bboxes[:, :2]) > 0).all(dim=1)
        wanted = sorted(
            (label, *np.round(box, 2), round(score, 4))
            for box, score, label in zip(
                instances.bboxes[has_area].tolist(),
                instances.scores[has_area].tolist(),
                instances.labels[has_area].tolist(),
                strict=True,
            )
        )
        box, label = np.nonzero(candidates.class_scores)
        given = sorted(
            (int(class_index), *np.round(bbox.astype(float), 2), round(float(score), 4))
            for bbox, class_index, score in zip(
                candidates.bbox_xyxy[box], label, candidates.class_scores[box, label], strict=True
            )
        )
        assert len(given) > 100
        np.testing.assert_allclose(given, wanted, atol=0.02)


@pytest.mark.parametrize("name", ["FCOS", "GFL"])
def test_caps_that_a_bundle_states_are_ignored(name: str) -> None:
    network, raw = run(describe(name))
    caps = {"nms_pre": 5, "max_per_img": 3, "nms": {"type": "nms", "iou_threshold": 0.0}}
    assert len(read_by_mmdet(network, raw, caps | {"score_thr": SCORE_THR})[0].scores) <= 10
    capped = HeadReader(network.bbox_head, caps | {"score_thr": SCORE_THR}).read(raw, SIZE_PX)
    free = HeadReader(network.bbox_head, {"score_thr": SCORE_THR}).read(raw, SIZE_PX)
    for left, right in zip(capped, free, strict=True):
        assert len(left) > 100
        np.testing.assert_array_equal(left.bbox_xyxy, right.bbox_xyxy)
        np.testing.assert_array_equal(left.class_scores, right.class_scores)


def test_boxes_smaller_than_min_bbox_size_are_left_out() -> None:
    network, raw = run(describe_network())
    cfg = {"score_thr": SCORE_THR}
    every = HeadReader(network.bbox_head, cfg).read(raw, SIZE_PX)[0]
    side = (every.bbox_xyxy[:, 2:] - every.bbox_xyxy[:, :2]).min(axis=1)
    limit = float(np.median(side))
    large = HeadReader(network.bbox_head, cfg | {"min_bbox_size": limit}).read(raw, SIZE_PX)[0]
    assert len(large) == (side > limit).sum() > 0
