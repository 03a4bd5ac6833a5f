"""A network measured on held-out fields while or after it is trained."""

import copy
from collections.abc import Sequence

from torch import nn

from models.bundle_model import BundleModel
from models.classes import CellClass
from models.config import TrainConfig
from models.data.coco import FieldSet
from models.detector import Detector
from models.engines.choice import make_detector
from models.evaluate import MIN_SCORE, Evaluation, detect_fields, evaluate
from models.metrics import FieldResult
from models.thresholds import choose_thresholds
from models.training.export import describe_bundle


def as_detector(
    network: nn.Module,
    config: TrainConfig,
    classes: tuple[CellClass, ...],
    thresholds: Sequence[float] | None = None,
) -> Detector:
    """A network as the product would run it. The network stays as it is.

    On a CPU it runs in OpenVINO where that can convert it, which is several times as fast.

    Args:
        network: on any device.
        config: it is trained with.
        classes: in label order.
        thresholds: one per class; None reports everything that measuring takes into account.
    """
    described = describe_bundle(config, classes, "trained", {})
    if thresholds is not None:
        described["score_thresholds"] = tuple(thresholds)
    model = BundleModel(**described, weights_sha256="0" * 64)
    still = copy.deepcopy(network).eval()
    device = next(still.parameters()).device.type
    return make_detector(model, still, "auto", device, MIN_SCORE if thresholds is None else None)


def detect_held_out(
    network: nn.Module, config: TrainConfig, held_out: FieldSet
) -> list[FieldResult]:
    """Everything that a network sees on held-out fields."""
    return detect_fields(as_detector(network, config, held_out.classes), held_out)


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
