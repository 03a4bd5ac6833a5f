"""From raw outputs to cells: opinions are weighed tile by tile, at the bundle's values."""

from typing import Any

import numpy as np
import torch

from models.detector import Detections, TileBatch
from models.inference.engines.choice import make_detector
from models.inference.joined_scores import weigh_opinions
from models.network.build import build_network
from models.phantom import draw_field
from tests.models.small_network import describe_network, make_model

CLASSES = [
    {"name": "NILM", "color": (46, 125, 50), "severity": 0},
    {"name": "LSIL", "color": (251, 140, 0), "severity": 2},
    {"name": "HSIL", "color": (198, 40, 40), "severity": 4},
]
NUM_TILES = 2


def detect(side_support: float, rival_power: float) -> Detections:
    torch.manual_seed(3)
    network: Any = build_network(describe_network(len(CLASSES)))
    network.init_weights()
    with torch.no_grad():
        network.bbox_head.conv_cls.bias.fill_(0.0)
        network.bbox_head.conv_cls.weight.mul_(30)
        network.bbox_head.conv_reg.bias.fill_(4.0)
    score = make_model().slide_score.model_dump()
    score |= {"class_weights": (0.0, 0.5, 1.0), "category_min_fractions": (1.0, 0.1, 0.1)}
    model = make_model(
        classes=CLASSES,
        network=describe_network(len(CLASSES)),
        score_thresholds=(0.0,) * len(CLASSES),
        slide_score=score,
        side_support=side_support,
        rival_power=rival_power,
    )
    mix = {"NILM": 0.5, "HSIL": 0.5}
    tiles = [draw_field(seed, 128, 128, 0.5, 4, mix)[0] for seed in range(NUM_TILES)]
    detector = make_detector(model, network.eval(), "torch", full_precision=True)
    return detector.detect(TileBatch(np.stack(tiles), np.zeros((NUM_TILES, 2)), 2.0))


def test_opinions_are_weighed_in_each_tile_at_the_bundles_values() -> None:
    raw, weighed = detect(0.0, 0.0), detect(0.7, 2.0)
    assert len(raw) == len(weighed) > 20
    for tile in range(NUM_TILES):
        mine = raw.take(raw.tile_index == tile)
        expected = weigh_opinions(
            mine.bbox_xyxy, mine.score, mine.label, [False, True, True], 0.7, 2.0
        )
        np.testing.assert_allclose(
            weighed.score[weighed.tile_index == tile], expected, rtol=1e-4, atol=1e-7
        )
    assert (weighed.score > raw.score * 1.01).any()
    assert (weighed.score < raw.score * 0.99).any()
