"""Measures a network on held-out fields during or after training."""

import copy
from collections.abc import Sequence
from typing import Any

from torch import nn

from models.bundle.description import BundleModel
from models.calibrate.thresholds import choose_thresholds
from models.data.coco import FieldSet
from models.detector import Detector
from models.inference.engines.choice import make_detector
from models.measure.evaluate import MIN_SCORE, Evaluation, detect_fields, evaluate
from models.measure.metrics import FieldResult
from models.training.config import TrainConfig
from models.training.export import Trained, describe_bundle


def detect_held_out(
    network: nn.Module, config: TrainConfig, held_out: FieldSet
) -> list[FieldResult]:
    """All detections of a network on held-out fields; the network is not changed.

    On a CPU it runs in OpenVINO if that can convert it, which is several times as fast.
    """
    described = describe_bundle(config, held_out.classes, "trained", {})
    return detect_fields(_make_detector(network, described, MIN_SCORE), held_out)


def as_detector(trained: Trained) -> Detector:
    """A trained network as the product will run it, at its thresholds."""
    return _make_detector(trained.network, trained.describe(), None)


def _make_detector(
    network: nn.Module, described: dict[str, Any], min_score: float | None
) -> Detector:
    model = BundleModel(**described, weights_sha256="0" * 64)
    still = copy.deepcopy(network).eval()
    device = next(still.parameters()).device.type
    return make_detector(model, still, "auto", device, min_score)


def measure(
    results: Sequence[FieldResult],
    config: TrainConfig,
    held_out: FieldSet,
    choose: bool = False,
) -> tuple[Evaluation, tuple[float, ...]]:
    """Figures and the thresholds they hold at: the configuration's, or chosen on these fields."""
    merge_iou = config.postprocess.merge_iou
    thresholds = config.postprocess.score_thresholds
    if choose or len(thresholds) != len(held_out.classes):
        thresholds = choose_thresholds(results, held_out.classes, merge_iou)
    return evaluate(results, held_out.classes, thresholds, merge_iou), thresholds
