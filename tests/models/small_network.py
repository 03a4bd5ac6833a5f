"""A detector of a few thousand weights, quick to build, train and run."""

from typing import Any

from models.bundle.description import BundleModel

CLASSES = [
    {"name": "NILM", "color": (46, 125, 50), "severity": 0},
    {"name": "HSIL", "color": (198, 40, 40), "severity": 4},
]


def describe_network(num_classes: int = 2) -> dict[str, Any]:
    """An FCOS of one level on a slim ResNet-18, as mmdet describes it."""
    return {
        "type": "FCOS",
        "backbone": {
            "type": "ResNet",
            "depth": 18,
            "base_channels": 8,
            "stem_channels": 8,
            "num_stages": 2,
            "strides": [1, 2],
            "dilations": [1, 1],
            "out_indices": [0, 1],
            "norm_cfg": {"type": "BN", "requires_grad": True},
            "norm_eval": False,
        },
        "neck": {
            "type": "SingleLevelFPN",
            "in_channels": [8, 16],
            "out_channels": 16,
            "num_outs": 2,
            "start_level": 0,
        },
        "bbox_head": {
            "type": "FCOSHead",
            "num_classes": num_classes,
            "in_channels": 16,
            "feat_channels": 16,
            "stacked_convs": 1,
            "strides": [4],
            "regress_ranges": [[-1, 1e8]],
            "center_sampling": True,
            "norm_on_bbox": True,
            "norm_cfg": {"type": "GN", "num_groups": 4, "requires_grad": True},
            "loss_cls": {"type": "GradLibraLoss", "use_sigmoid": True, "loss_weight": 2.0},
            "loss_bbox": {"type": "GIoULoss", "loss_weight": 1.0},
        },
        "test_cfg": {
            "nms_pre": 500,
            "score_thr": 0.01,
            "nms": {"type": "nms", "iou_threshold": 0.5},
            "max_per_img": 100,
        },
    }


def describe_model(**changes: Any) -> dict[str, Any]:
    """Fields of a model.json, without the weights' digest."""
    model: dict[str, Any] = {
        "name": "small",
        "classes": CLASSES,
        "input": {
            "mpp": 0.5,
            "tile_size_px": 128,
            "overlap_px": 48,
            "mean_rgb": (200.0, 200.0, 200.0),
            "std_rgb": (50.0, 50.0, 50.0),
        },
        "score_thresholds": (0.05, 0.05),
        "merge_iou": 0.6,
        "slide_score": {
            "class_weights": (0.0, 1.0),
            "prior_abnormal": 0.1,
            "prior_total": 10.0,
            "intercept": 5.0,
            "slope": 1.5,
            "category_min_count": 2,
            "category_min_fractions": (0.01, 0.01),
        },
        "network": describe_network(),
    }
    return model | changes


def make_model(**changes: Any) -> BundleModel:
    """`describe_model`, validated."""
    return BundleModel(**describe_model(**changes), weights_sha256="0" * 64)
