"""Frozen stages in OpenVINO: the features that torch gives, and what learns still does."""

import pytest
import torch

from models.inference.precision import fast_dtype
from models.network.backbones.efficientnet_lite import EfficientNetLite
from models.training.frozen_stages import speed_up_frozen_stages

CPU = torch.device("cpu")
SIZE = torch.Size((2, 3, 64, 64))


@pytest.fixture
def backbone() -> EfficientNetLite:
    if fast_dtype(CPU) != torch.bfloat16:
        pytest.skip("this processor has no bfloat16")
    torch.manual_seed(0)
    return EfficientNetLite(out_stages=(2, 4), frozen_stages=2).train()


def test_features_are_those_of_torch_and_later_stages_learn(backbone: EfficientNetLite) -> None:
    pixels = torch.randn(SIZE)
    with torch.no_grad():
        expected = backbone.stages[1](backbone.stages[0](backbone.stem(pixels)))
    assert speed_up_frozen_stages(backbone, CPU, SIZE)
    assert backbone.run_frozen is not None
    features = backbone.run_frozen(pixels)
    assert features is not None
    error = (features.float() - expected).abs().mean() / expected.abs().mean()
    assert error < 0.03
    _levels(backbone, pixels)[-1].float().sum().backward()  # type: ignore[no-untyped-call]
    assert backbone.get_parameter("stages.2.0.expand_conv.conv.weight").grad is not None


def test_features_outlive_the_next_batch(backbone: EfficientNetLite) -> None:
    speed_up_frozen_stages(backbone, CPU, SIZE)
    assert backbone.run_frozen is not None
    first = backbone.run_frozen(torch.zeros(SIZE))
    assert first is not None
    kept = first.clone()
    backbone.run_frozen(torch.ones(SIZE))
    assert first.equal(kept)


def test_batches_of_another_size_run_in_torch(backbone: EfficientNetLite) -> None:
    speed_up_frozen_stages(backbone, CPU, SIZE)
    assert [tuple(level.shape) for level in _levels(backbone, torch.randn(1, 3, 96, 64))] == [
        (1, 40, 12, 8),
        (1, 112, 6, 4),
    ]


def test_a_backbone_that_learns_as_a_whole_is_left_as_it_is() -> None:
    backbone = EfficientNetLite(out_stages=(2,), frozen_stages=-1)
    assert not speed_up_frozen_stages(backbone, CPU, SIZE)
    assert backbone.run_frozen is None


def test_a_frozen_stage_whose_features_are_wanted_runs_in_torch() -> None:
    backbone = EfficientNetLite(out_stages=(0, 2), frozen_stages=2)
    assert not speed_up_frozen_stages(backbone, CPU, SIZE)


def _levels(backbone: EfficientNetLite, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        levels: tuple[torch.Tensor, ...] = backbone(pixels)
    return levels
