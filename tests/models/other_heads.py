"""Small networks with other heads than FCOS's, as mmdet describes them."""

from typing import Any

from tests.models.small_network import describe_network

GN = {"type": "GN", "num_groups": 4, "requires_grad": True}
FOCAL = {"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25}
GIOU = {"type": "GIoULoss", "loss_weight": 1.0}
CODER = {
    "type": "DeltaXYWHBBoxCoder",
    "target_means": [0.0, 0.0, 0.0, 0.0],
    "target_stds": [0.1, 0.1, 0.2, 0.2],
}
ANCHORS = {
    "type": "AnchorGenerator",
    "ratios": [1.0],
    "octave_base_scale": 4,
    "scales_per_octave": 1,
    "strides": [4, 8],
}
HEADS: dict[str, dict[str, Any]] = {
    "RetinaNet": {
        "type": "RetinaHead",
        "anchor_generator": ANCHORS,
        "bbox_coder": CODER,
        "loss_cls": FOCAL,
        "loss_bbox": {"type": "L1Loss"},
    },
    "ATSS": {
        "type": "ATSSHead",
        "norm_cfg": GN,
        "anchor_generator": ANCHORS,
        "bbox_coder": CODER,
        "loss_cls": FOCAL,
        "loss_bbox": GIOU,
        "loss_centerness": {"type": "CrossEntropyLoss", "use_sigmoid": True},
    },
    "GFL": {
        "type": "GFLHead",
        "norm_cfg": GN,
        "anchor_generator": ANCHORS,
        "reg_max": 8,
        "loss_cls": {"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 2.0},
        "loss_dfl": {"type": "DistributionFocalLoss", "loss_weight": 0.25},
        "loss_bbox": GIOU,
    },
    "RepPointsDetector": {
        "type": "RepPointsHead",
        "norm_cfg": GN,
        "point_feat_channels": 16,
        "num_points": 9,
        "gradient_mul": 0.1,
        "point_strides": [4, 8],
        "point_base_scale": 4,
        "transform_method": "moment",
        "loss_cls": FOCAL,
        "loss_bbox_init": {"type": "SmoothL1Loss", "beta": 0.11},
        "loss_bbox_refine": {"type": "SmoothL1Loss", "beta": 0.11},
    },
}


def describe_other(detector: str) -> dict[str, Any]:
    """A network of that detector: "YOLOF", or a key of `HEADS`, on two levels."""
    network = describe_network() | {"type": detector}
    if detector == "YOLOF":
        return network | _describe_yolof(network["backbone"])
    network["neck"] = network["neck"] | {"type": "FPN"}
    sizes = {"num_classes": 2, "in_channels": 16, "feat_channels": 16, "stacked_convs": 1}
    network["bbox_head"] = HEADS[detector] | sizes
    return network


def _describe_yolof(backbone: dict[str, Any]) -> dict[str, Any]:
    return {
        "backbone": backbone | {"out_indices": [1]},
        "neck": {
            "type": "DilatedEncoder",
            "in_channels": 16,
            "out_channels": 16,
            "block_mid_channels": 8,
            "num_residual_blocks": 2,
            "block_dilations": [2, 4],
        },
        "bbox_head": {
            "type": "YOLOFHead",
            "num_classes": 2,
            "in_channels": 16,
            "reg_decoded_bbox": True,
            "anchor_generator": ANCHORS | {"strides": [8]},
            "bbox_coder": CODER | {"add_ctr_clamp": True, "ctr_clamp": 32},
            "loss_cls": FOCAL,
            "loss_bbox": GIOU,
        },
    }
