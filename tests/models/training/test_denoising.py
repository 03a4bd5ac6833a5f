"""Learning from pixels alone: it looks at no label, fills in what is blanked, and serves labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.data.coco import read_coco
from models.data.resample import Sample, resample_field
from models.errors import TrainingError
from models.network import build_network
from models.train import TrainOptions, learn
from models.training import denoising
from models.training.checkpoint import read_checkpoint
from models.training.denoising import BLANK_PX, Denoiser, blank_squares, denoise, without_labels
from models.training.epochs import Epochs
from models.training.progress import TrainProgress
from tests.models.small_training import make_config, write_fields

OPTIONS = TrainOptions("small", None, "cpu", 1, 1)


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fields(tmp_path_factory.mktemp("fields"))


def make_epochs(fields: Path, denoise_epochs: int = 2, **train: float) -> Epochs:
    config = make_config(denoise_epochs=denoise_epochs, **train)
    samples = [resample_field(field, config.input.mpp) for field in read_coco(fields).fields]
    return Epochs(config, samples, samples[:1], 2, 0, 1)


def make_network(epochs: Epochs) -> nn.Module:
    torch.manual_seed(0)
    return build_network(epochs.config.network).train()


def denoised(epochs: Epochs, run_dir: Path) -> tuple[dict[str, Tensor], list[float]]:
    network = make_network(epochs)
    seen: list[float] = []
    denoise(network, epochs, run_dir, lambda epoch, iteration, loss: seen.append(loss))
    return network.state_dict(), seen


def test_the_loss_falls_below_that_of_saying_nothing(fields: Path, tmp_path: Path) -> None:
    _, losses = denoised(make_epochs(fields, 30, lr=5e-3), tmp_path)
    assert np.mean(losses[-6:]) < 0.6 * np.mean(losses[:6])


def test_the_backbone_and_the_neck_learn_and_the_head_stays(fields: Path, tmp_path: Path) -> None:
    epochs = make_epochs(fields)
    before = {key: value.clone() for key, value in make_network(epochs).state_dict().items()}
    after, _ = denoised(epochs, tmp_path)
    changed = {key.split(".")[0] for key in after if not torch.equal(before[key], after[key])}
    assert changed == {"backbone", "neck"}


def test_no_label_is_looked_at(fields: Path, tmp_path: Path) -> None:
    epochs = make_epochs(fields)

    def without_cells(sample: Sample) -> Sample:
        return Sample(sample.pixels, np.zeros((0, 4), np.float32), np.zeros(0, np.int16))

    bare = replace(epochs, samples=[without_cells(one) for one in epochs.samples], phantoms=())
    assert denoised(epochs, tmp_path)[1] == denoised(bare, tmp_path)[1]


def test_every_field_is_seen_once_an_epoch_and_none_is_drawn(fields: Path) -> None:
    unlabelled = without_labels(make_epochs(fields, 3, repeat_threshold=1.0, phantom_fraction=0.5))
    assert len(unlabelled.crops(0)) == 6
    assert unlabelled.config.train.epochs == 3


@given(st.integers(1, 3), st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1))
def test_whole_squares_are_blanked(num: int, height: int, width: int, seed: int) -> None:
    blanked = blank_squares((num, height, width), np.random.default_rng(seed))
    assert blanked.shape == (num, 1, height, width)
    for square in blanked.split(BLANK_PX, 2):
        for one in square.split(BLANK_PX, 3):
            assert all(bool(crop.all()) or not bool(crop.any()) for crop in one)


def test_about_half_of_a_crop_is_blanked() -> None:
    blanked = blank_squares((64, 256, 256), np.random.default_rng(0))
    assert blanked.float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_only_what_was_blanked_counts(fields: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that is right there and wrong everywhere else has no loss, whatever the noise."""
    epochs = without_labels(make_epochs(fields))
    batch = next(epochs.batches(0))

    class Knows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.anything = nn.Parameter(torch.zeros(1))

        def forward(self, damaged: Tensor) -> Tensor:
            clean = denoising.normalise(batch[0], [127.0] * 3, [128.0] * 3)
            return torch.where(damaged == 0, clean, clean + 5)

    look = epochs.config.input.model_copy(
        update={"mean_rgb": (127.0,) * 3, "std_rgb": (128.0,) * 3}
    )
    same_look = replace(epochs, config=epochs.config.model_copy(update={"input": look}))
    loss = denoising._fill_in(Knows(), batch, same_look, np.random.default_rng(0))
    assert loss.item() == pytest.approx(0.0, abs=1e-6)


def test_pixels_come_back_at_the_size_of_the_crop(fields: Path) -> None:
    epochs = make_epochs(fields)
    denoiser = Denoiser(make_network(epochs), 96)
    assert denoiser(torch.zeros(2, 3, 96, 96)).shape == (2, 3, 96, 96)


def test_a_loss_that_is_not_finite_stops_with_its_batch(fields: Path, tmp_path: Path) -> None:
    epochs = make_epochs(fields)
    network = make_network(epochs)
    with torch.no_grad():
        next(network.get_submodule("backbone").parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"the loss is not finite at iteration 0 \(denoising"):
        denoise(network, epochs, tmp_path, lambda epoch, iteration, loss: None)
    assert (tmp_path / "batch_of_nan.npz").exists()


def test_a_run_denoises_first_and_an_interrupted_one_does_not_again(
    fields: Path, tmp_path: Path
) -> None:
    config = make_config(denoise_epochs=1)
    whole: list[TrainProgress] = []
    first = learn(config, read_coco(fields), tmp_path / "whole", OPTIONS, whole.append)

    class Cut(Exception):
        pass

    def cut(progress: TrainProgress) -> None:
        if progress.stage == "labels" and progress.iteration == 1:
            raise Cut

    with pytest.raises(Cut):
        learn(config, read_coco(fields), tmp_path / "cut", OPTIONS, cut)
    saved = read_checkpoint(tmp_path / "cut")
    assert saved is not None
    assert saved["epoch"] == 0
    assert saved["train_s"] > 0
    rest: list[TrainProgress] = []
    second = learn(config, read_coco(fields), tmp_path / "cut", OPTIONS, rest.append)
    assert [one.stage for one in whole[:3]] == ["denoising"] * 3
    assert {one.stage for one in rest} == {"labels"}
    assert rest == whole[3:]
    plain = learn(make_config(), read_coco(fields), tmp_path / "plain", OPTIONS)
    ours, again, other = (one.network.state_dict() for one in (first, second, plain))
    assert all(torch.equal(ours[key], again[key]) for key in ours)
    assert not all(torch.equal(ours[key], other[key]) for key in ours)
