"""Classifier norms of every head that can be trained."""

import pytest
import torch
from torch import nn

from models.errors import TrainingError
from models.network.build import build_network
from models.training.weight_norms import classifier_weight_norms
from tests.models.other_heads import describe_other
from tests.models.small_network import describe_network


@pytest.mark.parametrize("detector", ["FCOS", "ATSS", "RepPointsDetector", "YOLOF", "RetinaNet"])
def test_a_class_has_the_length_of_all_weights_that_make_its_logit(detector: str) -> None:
    description = describe_network() if detector == "FCOS" else describe_other(detector)
    network = build_network(description)
    layer = next(
        layer
        for name in ("conv_cls", "atss_cls", "reppoints_cls_out", "cls_score", "retina_cls")
        if (layer := getattr(network.bbox_head, name, None)) is not None
    )
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[1].fill_(2.0)
    length = 2.0 * layer.weight[1].numel() ** 0.5
    assert classifier_weight_norms(network, 2) == pytest.approx([0.0, length])


def test_a_head_without_a_known_classifier_is_named() -> None:
    with pytest.raises(TrainingError, match="NoneType has no classifier of 2 classes"):
        classifier_weight_norms(nn.Linear(2, 2), 2)
