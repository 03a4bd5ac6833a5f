"""Learning from pixels alone: it looks at no label, fills in what is blanked, and serves labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from models.bundle.description import InputModel
from models.data.coco import read_coco
from models.data.paste import cut_rare_cells
from models.data.resample import Sample, resample_field
from models.errors import TrainingError
from models.network.build import build_network
from models.training.batches import normalise
from models.training.checkpoint import read_checkpoint
from models.training.denoising import (
    BLANK_PX,
    Denoiser,
    blank_squares,
    denoise,
    fill_in,
    without_labels,
)
from models.training.epochs import Epochs
from models.training.progress import TrainProgress
from models.training.ranks import Ranks
from models.training.run import TrainOptions, learn
from tests.models.small_training import make_config, write_fields

OPTIONS = TrainOptions("small", None, "cpu", 1, 1)
NO_BOX, NO_LABEL = np.zeros((0, 4), np.float32), np.zeros(0, np.int16)


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
    losses: list[float] = []
    denoise(network, epochs, run_dir, lambda epoch, iteration, loss: losses.append(loss))
    return network.state_dict(), losses


def test_it_ends_better_than_the_mean_colour_of_all_fields(fields: Path, tmp_path: Path) -> None:
    epochs = make_epochs(fields, 30, lr=5e-3)
    _, losses = denoised(epochs, tmp_path)
    input_model = epochs.config.input
    pixels = torch.cat([batch[0] for batch in without_labels(epochs).batches(0)])
    clean = normalise(pixels, input_model.mean_rgb, input_model.std_rgb)
    constant = clean.mean((0, 2, 3), keepdim=True).expand_as(clean)
    assert np.mean(losses[-6:]) < 0.85 * smooth_l1_loss(constant, clean).item()


def test_the_backbone_and_the_neck_learn_and_the_head_stays(fields: Path, tmp_path: Path) -> None:
    epochs = make_epochs(fields)
    before = {key: value.clone() for key, value in make_network(epochs).state_dict().items()}
    after, _ = denoised(epochs, tmp_path)
    changed = {key.split(".")[0] for key in after if not torch.equal(before[key], after[key])}
    assert changed == {"backbone", "neck"}


def test_no_label_is_looked_at(fields: Path, tmp_path: Path) -> None:
    epochs = make_epochs(fields)

    without_cells = [Sample(sample.pixels, NO_BOX, NO_LABEL) for sample in epochs.samples]
    bare = replace(epochs, samples=without_cells)
    assert denoised(epochs, tmp_path)[1] == denoised(bare, tmp_path)[1]


def test_every_field_is_seen_once_an_epoch_with_nothing_drawn_or_pasted(fields: Path) -> None:
    epochs = make_epochs(fields, 3, repeat_threshold=1.0, phantom_fraction=0.5, paste_fraction=1.0)
    samples = list(epochs.samples)
    # One class on one field alone: with labels it would be drawn more often.
    samples[0] = Sample(samples[0].pixels, samples[0].bbox_xyxy, np.ones_like(samples[0].label))
    samples[1:] = [
        Sample(sample.pixels, sample.bbox_xyxy, 0 * sample.label) for sample in samples[1:]
    ]
    epochs = replace(epochs, samples=samples, cuts=cut_rare_cells(samples, 2))
    assert len(epochs.crops(0)) > 12
    unlabelled = without_labels(epochs)
    assert unlabelled.config.train.epochs == 3
    crops = unlabelled.crops(0)
    assert len(crops) == 6
    bare = replace(
        unlabelled, samples=[Sample(sample.pixels, NO_BOX, NO_LABEL) for sample in samples]
    )
    assert all(torch.equal(crops[i][0], bare.crops(0)[i][0]) for i in range(6))


@given(st.integers(1, 3), st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1))
def test_whole_squares_are_blanked(num: int, height: int, width: int, seed: int) -> None:
    blanked = blank_squares((num, height, width), np.random.default_rng(seed))
    assert blanked.shape == (num, 1, height, width)
    for square in blanked.split(BLANK_PX, 2):
        for column in square.split(BLANK_PX, 3):
            assert all(bool(crop.all()) or not bool(crop.any()) for crop in column)


@given(st.integers(1, 4), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_as_many_squares_of_every_crop_are_blanked(num: int, side: int, seed: int) -> None:
    grid = -(-side // BLANK_PX)
    squares = blank_squares((num, side, side), np.random.default_rng(seed))[
        :, :, ::BLANK_PX, ::BLANK_PX
    ]
    assert squares.sum((1, 2, 3)).tolist() == [max(1, round(grid * grid / 2))] * num


def test_only_what_was_blanked_counts(fields: Path) -> None:
    """A decoder that is right there and wrong everywhere else has no loss, whatever the noise."""
    pixels = next(without_labels(make_epochs(fields)).batches(0))[0]
    input_model = InputModel(
        mpp=0.5, tile_size_px=128, overlap_px=32, mean_rgb=(127.5,) * 3, std_rgb=(128.0,) * 3
    )

    class Knows(nn.Module):
        def __init__(self, error: float) -> None:
            super().__init__()
            self.error = nn.Parameter(torch.tensor(error))

        def forward(self, damaged: Tensor) -> Tensor:
            clean = normalise(pixels, input_model.mean_rgb, input_model.std_rgb)
            return torch.where(damaged == 0, clean + self.error, clean + 5)

    right, wrong = (
        fill_in(Knows(error), pixels, input_model, np.random.default_rng(0)).item()
        for error in (0.0, 3.0)
    )
    assert right == pytest.approx(0.0, abs=1e-6)
    assert wrong == pytest.approx(2.5, abs=1e-5)


@pytest.mark.parametrize("side", [96, 102, 64])
def test_pixels_come_back_where_they_were_whatever_the_crop(fields: Path, side: int) -> None:
    denoiser = Denoiser(make_network(make_epochs(fields)))
    back = denoiser(torch.zeros(2, 3, side, side)).shape[-1]
    assert back % denoiser.stride == 0
    assert abs(back - side) < denoiser.stride
    pixels = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)
    input_model = make_config().input
    assert fill_in(denoiser, pixels, input_model, np.random.default_rng(0)).isfinite()


def test_looking_for_the_stride_leaves_the_network_as_it_was(fields: Path) -> None:
    network = make_network(make_epochs(fields))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    Denoiser(network)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert network.get_submodule("backbone").training


def test_too_few_fields_for_every_process_are_named(fields: Path, tmp_path: Path) -> None:
    epochs = make_epochs(fields, batch_size=6)
    with pytest.raises(TrainingError, match="not one batch of unlabelled fields"):
        denoised(replace(epochs, ranks=Ranks(0, 2)), tmp_path)


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
    uninterrupted: list[TrainProgress] = []
    first = learn(config, read_coco(fields), tmp_path / "whole", OPTIONS, uninterrupted.append)

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
    resumed: list[TrainProgress] = []
    second = learn(config, read_coco(fields), tmp_path / "cut", OPTIONS, resumed.append)
    assert [progress.stage for progress in uninterrupted[:3]] == ["denoising"] * 3
    assert {progress.stage for progress in resumed} == {"labels"}
    assert resumed == uninterrupted[3:]
    plain = learn(make_config(), read_coco(fields), tmp_path / "plain", OPTIONS)
    weights, again, plain_weights = (
        learned.network.state_dict() for learned in (first, second, plain)
    )
    assert all(torch.equal(weights[key], again[key]) for key in weights)
    assert not all(torch.equal(weights[key], plain_weights[key]) for key in weights)


def test_a_run_of_a_version_that_did_not_know_of_it_goes_on(fields: Path, tmp_path: Path) -> None:
    learn(make_config(epochs=1), read_coco(fields), tmp_path, OPTIONS)
    assert "denoise_epochs" not in (tmp_path / "run.json").read_text()
