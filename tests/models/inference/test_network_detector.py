"""From raw outputs to cells: every cell of a tile once, however many there are."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from models.detector import Detections, TileBatch
from models.inference.cell_limit import limit_cells
from models.inference.engines.choice import make_detector
from models.inference.joined_scores import join_scores
from models.inference.network_detector import NetworkDetector
from models.network.build import build_network
from models.phantom import draw_field
from tests.models.nucleus_filter import draw_nuclei, make_nucleus_detector, scatter_nuclei
from tests.models.small_network import describe_network, make_model

CLASSES = [
    {"name": "NILM", "color": (46, 125, 50), "severity": 0},
    {"name": "LSIL", "color": (251, 140, 0), "severity": 2},
    {"name": "HSIL", "color": (198, 40, 40), "severity": 4},
]
NUM_TILES = 2
#: At this scale a tile is so large that what random weights report of it is no crowd.
LARGE = make_model().input.model_dump() | {"mpp": 5.0}


def as_tile(pixels: NDArray[np.uint8]) -> TileBatch:
    return TileBatch(pixels[None], np.zeros((1, 2)), 1.0)


def detect(**changes: Any) -> Detections:
    """What a network of random weights reports of two drawn tiles."""
    torch.manual_seed(3)
    network: Any = build_network(describe_network(len(CLASSES)))
    network.init_weights()
    with torch.no_grad():
        network.bbox_head.conv_cls.bias.fill_(0.0)
        network.bbox_head.conv_cls.weight.mul_(30)
        network.bbox_head.conv_reg.bias.fill_(4.0)
    score = make_model().slide_score.model_dump()
    score |= {"class_weights": (0.0, 0.5, 1.0), "category_min_fractions": (1.0, 0.1, 0.1)}
    given = {"score_thresholds": (0.0,) * len(CLASSES), "input": LARGE} | changes
    model = make_model(
        classes=CLASSES,
        network=describe_network(len(CLASSES)),
        slide_score=score,
        **given,
    )
    mix = {"NILM": 0.5, "HSIL": 0.5}
    tiles = [draw_field(seed, 128, 128, 0.5, 4, mix)[0] for seed in range(NUM_TILES)]
    detector = make_detector(model, network.eval(), "torch", full_precision=True)
    return detector.detect(TileBatch(np.stack(tiles), np.zeros((NUM_TILES, 2)), 2.0))


def test_scores_of_a_cell_are_joined_at_the_bundles_values() -> None:
    raw = detect(side_support=0.0, rival_power=0.0)
    joined = detect(side_support=0.7, rival_power=2.0)
    assert len(raw) == len(joined) > 20
    np.testing.assert_array_equal(joined.bbox_xyxy, raw.bbox_xyxy)
    expected = join_scores(raw.class_scores, [False, True, True], 0.7, 2.0)
    np.testing.assert_allclose(joined.class_scores, expected, rtol=1e-4, atol=1e-7)
    assert (joined.class_scores > raw.class_scores * 1.01).any()
    assert (joined.class_scores < raw.class_scores * 0.99).any()


def test_scores_are_made_probabilities_class_by_class() -> None:
    fitted = {"slopes": (1.0, 2.0, 0.5), "offsets": (0.0, 1.0, -1.0)}
    raw, calibrated = detect(), detect(calibration=fitted)
    logit = np.log(raw.class_scores / (1 - raw.class_scores))
    z = np.array(fitted["offsets"]) + np.array(fitted["slopes"]) * logit
    np.testing.assert_allclose(calibrated.class_scores, 1 / (1 + np.exp(-z)), rtol=1e-3, atol=1e-6)


def test_a_cell_is_of_its_best_class() -> None:
    cells = detect()
    np.testing.assert_array_equal(cells.label, cells.class_scores.argmax(axis=1))
    np.testing.assert_array_equal(cells.score, cells.class_scores.max(axis=1))
    assert set(cells.label.tolist()) >= {1, 2}


def test_a_class_below_its_threshold_leaves_the_cell_to_another() -> None:
    every = detect()
    thresholds = (0.9, 0.3, 1.0)
    reported = detect(score_thresholds=thresholds)
    may = every.class_scores >= np.array(thresholds, np.float32)
    kept = every.take(may.any(axis=1))
    assert 0 < len(reported) == len(kept) < len(every)
    np.testing.assert_array_equal(reported.bbox_xyxy, kept.bbox_xyxy)
    assert (reported.label == 1).sum() > (kept.label == 1).sum()
    assert (reported.score >= np.array(thresholds)[reported.label]).all()


def test_leaving_out_what_cannot_reach_a_threshold_changes_nothing() -> None:
    changes = {
        "side_support": 1.0,
        "rival_power": 1.0,
        "calibration": {"slopes": (1.5, 0.8, 0.8), "offsets": (0.5, -0.5, -0.5)},
    }
    every = detect(**changes)
    for threshold in np.quantile(every.score, (0.2, 0.5, 0.9)).tolist():
        reported = detect(score_thresholds=(threshold,) * 3, **changes)
        kept = every.take(every.score >= np.float32(threshold))
        assert 0 < len(kept) < len(every)
        np.testing.assert_array_equal(reported.bbox_xyxy, kept.bbox_xyxy)
        np.testing.assert_array_equal(reported.class_scores, kept.class_scores)


@pytest.mark.parametrize(("side_px", "spacing_px"), [(512, 18), (1024, 18), (1024, 60)])
def test_every_nucleus_of_a_tile_is_reported_once(side_px: int, spacing_px: float) -> None:
    centre_xy, label = scatter_nuclei(1, (side_px, side_px), spacing_px)
    pixels = draw_nuclei((side_px, side_px), centre_xy, label)
    cells = make_nucleus_detector(side_px).detect(as_tile(pixels))
    middle = (cells.bbox_xyxy[:, :2] + cells.bbox_xyxy[:, 2:]) / 2
    distance_px, nucleus = cKDTree(centre_xy).query(middle)
    # More than mmdet's usual 300 of a tile, where they are packed.
    assert len(cells) == len(centre_xy)
    assert sorted(nucleus) == list(range(len(centre_xy)))
    assert distance_px.max() < 2
    np.testing.assert_array_equal(cells.label, label[nucleus])


class Texture:
    """Outputs that take every place for a cell of its own, those in the middle most of all."""

    name = "texture"

    def run(self, pixels: NDArray[np.uint8]) -> list[Tensor]:
        side = pixels.shape[1] // 4
        away = (torch.arange(side) - side / 2).abs() / side
        score = 0.9 - 0.1 * (away + away[:, None]).expand(1, 2, side, side)
        return [torch.logit(score), torch.ones(1, 4, side, side), torch.ones(1, 1, side, side)]


def test_no_tile_gives_more_than_the_limit_and_the_best_are_kept() -> None:
    model = make_model(network=describe_network())
    detector = NetworkDetector(model, build_network(model.network), Texture())
    cells = detector.detect(as_tile(np.zeros((128, 128, 3), np.uint8)))
    limit = limit_cells(128, 128, model.input.mpp)
    assert len(cells) == limit < 32 * 32
    large = make_model(input=LARGE, network=describe_network())
    every = NetworkDetector(large, build_network(large.network), Texture())
    all_cells = every.detect(as_tile(np.zeros((128, 128, 3), np.uint8)))
    assert len(all_cells) == 32 * 32
    best = np.sort(all_cells.score)[-limit:]
    np.testing.assert_allclose(np.sort(cells.score), best)
