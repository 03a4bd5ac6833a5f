"""Weight norms of a head's classifiers, class by class (Fig. 3b of the Grad-Libra paper)."""

import torch
from torch import nn

from models.errors import TrainingError

#: Names of the convolution with the class logits in mmdet's dense heads.
CLASSIFIERS = ("conv_cls", "atss_cls", "reppoints_cls_out", "cls_score", "retina_cls", "gfl_cls")


@torch.no_grad()
def classifier_weight_norms(network: nn.Module, num_classes: int) -> list[float]:
    """C Euclidean norms, each of all weights that make one class's logit.

    Raises:
        TrainingError: the network has no dense head with such a classifier.
    """
    head = getattr(network, "bbox_head", None)
    for name in CLASSIFIERS:
        layer = getattr(head, name, None)
        if isinstance(layer, nn.ModuleList):
            layer = layer[0]
        if isinstance(layer, nn.Conv2d) and layer.out_channels % num_classes == 0:
            # With several anchors a position, their classes follow each other: A x C.
            weight = layer.weight.float().reshape(-1, num_classes, layer.weight[0].numel())
            return [float(weight[:, label].norm()) for label in range(num_classes)]
    raise TrainingError(
        f"{type(head).__name__} has no classifier of {num_classes} classes among "
        f"{', '.join(CLASSIFIERS)}: its weight norms cannot be read"
    )
