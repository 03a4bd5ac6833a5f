"""Builds mmdet networks from plain descriptions, after checking that they run no foreign code.

mmengine's registry would build any importable path, and some keys make it fetch and run files; so
every `type` must be in ALLOWED_TYPES, and keys in REFUSED_KEYS are refused.
"""

import copy
import itertools
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from models.errors import BundleError
from models.network.losses import load_losses
from models.network.mmcv.extension import shorten_deform_conv, supply_missing_extension

#: Detectors, backbones, necks, heads, losses, assigners, coders, prior generators, layers,
#: initialisers.
ALLOWED_TYPES = frozenset(
    (
        "FCOS ATSS RepPointsDetector YOLOF RetinaNet GFL RTMDet SingleStageDetector Ensemble "
        "ResNet CSPNeXt EfficientNetLite "
        "FPN SingleLevelFPN PAFPN CSPNeXtPAFPN DilatedEncoder ChannelMapper "
        "FCOSHead ATSSHead RepPointsHead YOLOFHead RetinaHead RetinaSepBNHead GFLHead "
        "RTMDetHead RTMDetSepBNHead NucleusHead "
        "GradLibraLoss SigmoidCrossEntropyLoss DenseFocalLoss ClassBalancedLoss DenseSeesawLoss "
        "EqlV2Loss DenseBalancedGroupLoss DenseGHMCLoss EqualizedFocalLoss ClassLibraLoss "
        "BalanceLibraLoss LogitAdjustedLoss "
        "FocalLoss CrossEntropyLoss QualityFocalLoss DistributionFocalLoss "
        "IoULoss GIoULoss DIoULoss CIoULoss L1Loss SmoothL1Loss "
        "PointAssigner MaxIoUAssigner ATSSAssigner UniformAssigner DynamicSoftLabelAssigner "
        "PseudoSampler BboxOverlaps2D "
        "DeltaXYWHBBoxCoder DistancePointBBoxCoder "
        "AnchorGenerator MlvlPointGenerator "
        "BN BN2d SyncBN GN LN2d "
        "ReLU SiLU Swish LeakyReLU "
        "Normal Xavier Kaiming Constant "
        "nms"
    ).split()
)

#: Keys that make mmengine or mmdet read files, import modules, or look elsewhere.
REFUSED_KEYS = frozenset(
    {"custom_imports", "_base_", "_scope_", "_delete_", "checkpoint", "pretrained", "plugins"}
)

#: Largest sensible values of numbers that lengthen loops or lists even on the "meta" device, and
#: largest lengths of lists that are multiplied by each other there.
LARGEST = {
    "num_points": 225,
    "scales_per_octave": 32,
    "num_outs": 16,
    "strides": 16,
    "point_strides": 16,
    "base_sizes": 16,
    "ratios": 32,
    "scales": 32,
}
#: Modules of a network, nested ones included; the shipped ensemble of three networks has 854.
MAX_MODULES = 10_000

#: What mmdet and torch raise on invalid arguments; determined by changing every argument.
BUILD_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def build_network(description: dict[str, Any]) -> nn.Module:
    """The network of a description in mmdet's terms, with random weights.

    Args:
        description: nested dicts, lists and plain values, as read from TOML or JSON.

    Raises:
        BundleError: a type is not allowed, a key is refused, or mmdet cannot build it.
    """
    check_description(description)
    registry, config_dict = _load_mmdet()
    try:
        with warnings.catch_warnings():
            # ATSS and GFL heads use a deprecated name of their own base class.
            warnings.filterwarnings("ignore", message="DeprecationWarning: `num_anchors`")
            network: nn.Module = registry.build(config_dict(description))
    except BUILD_ERRORS as error:
        raise BundleError(f"the network cannot be built from its description: {error}") from error
    return network


def outline_network(description: dict[str, Any]) -> nn.Module:
    """The network on the "meta" device: weights have names and shapes, but take no memory.

    Raises:
        BundleError: as `build_network`, or the network has more than `MAX_MODULES` modules.
    """
    _load_mmdet()  # tensors that modules create at import must not be on "meta"
    with torch.device("meta"), _limit_modules():
        return build_network(description)


def describe_for_classes(description: dict[str, Any], num_classes: int) -> dict[str, Any]:
    """A copy of a network's description with C classes in its head and, if it counts them, loss."""
    network: dict[str, Any] = copy.deepcopy(description)
    head = network["bbox_head"]
    head["num_classes"] = num_classes
    if "num_classes" in head["loss_cls"]:
        head["loss_cls"]["num_classes"] = num_classes
    return network


def check_description(description: dict[str, Any]) -> None:
    """Checks a description against the lists above.

    Raises:
        BundleError: a type is not allowed, a key is refused or a number too large; names it and
            its place.
    """
    if not isinstance(description, dict) or "type" not in description:
        raise BundleError("the network's description must be an object with a 'type'")
    for place, key, value in _walk(description, "network"):
        if key in REFUSED_KEYS or key.startswith("__"):
            raise BundleError(f"{place} is refused: it could load or run files")
        if key == "type" and (not isinstance(value, str) or value not in ALLOWED_TYPES):
            raise BundleError(
                f"{place} = {value!r} is not allowed: see ALLOWED_TYPES in models/network/build.py"
            )
        if key in LARGEST and not _size(value) <= LARGEST[key]:
            shown = repr(value)[:40]
            raise BundleError(f"{place} = {shown} is too large: at most {LARGEST[key]}")


def _size(value: Any) -> float:
    """A number itself, or the length of the longest list; 0 for other values."""
    if isinstance(value, list | tuple):
        return max([len(value), *(len(item) for item in value if isinstance(item, list | tuple))])
    return value if isinstance(value, int | float) else 0


@contextmanager
def _limit_modules() -> Iterator[None]:
    """Stops building after MAX_MODULES: a short description can ask for a million layers."""
    module_number = itertools.count(1)
    thread = threading.get_ident()

    def count(parent: nn.Module, name: str, part: nn.Module) -> None:
        # The hook is global to the process; other threads are not limited.
        if threading.get_ident() == thread and next(module_number) > MAX_MODULES:
            raise BundleError(
                f"the network's description asks for more than {MAX_MODULES} parts: a "
                "number in it, such as that of layers, is too large"
            )

    hook = register_module_module_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _walk(value: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{place}.{key}", str(key), inner
            yield from _walk(inner, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _walk(inner, f"{place}[{index}]")


@cache
def _load_mmdet() -> tuple[Any, Any]:
    """mmdet's registry of models, with the modules of this package, and mmengine's config type."""
    supply_missing_extension()
    # Silenced, since users can do nothing about it: warnings of mmdet and its dependencies about
    # their own use of deprecated names, and mmengine's log of every weight that it initialises.
    import_module("mmengine.logging").MMLogger.get_instance("mmengine").setLevel("ERROR")
    warnings.filterwarnings("ignore", message="torch.meshgrid: in an upcoming release")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_module("mmdet.models")
    shorten_deform_conv()
    load_losses()
    import_module("models.network.backbones.efficientnet_lite")
    import_module("models.network.necks.single_level_fpn")
    import_module("models.network.heads.nucleus_head")
    import_module("models.network.heads.position_norm")
    import_module("models.network.ensemble")
    return import_module("mmdet.registry").MODELS, import_module("mmengine.config").ConfigDict
