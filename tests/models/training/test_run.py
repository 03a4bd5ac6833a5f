"""Training: a folder of fields becomes a bundle that serves; interrupted runs go on as if not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.numpy import load_file
from torch import Tensor

from models.bundle.description import read_model
from models.bundle.find import read_info
from models.bundle.load import load_detector
from models.detector import TileBatch
from models.errors import BundleError, DatasetError, TrainingError
from models.network.losses.grad_libra import GradLibraLoss
from models.phantom import draw_field
from models.training.checkpoint import read_checkpoint
from models.training.config import TrainConfig
from models.training.progress import TrainProgress
from models.training.run import TrainOptions, choose_device, run_training
from tests.models.small_training import make_config, write_fields


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fields(tmp_path_factory.mktemp("fields"))


def options(**changes: Any) -> TrainOptions:
    values: dict[str, Any] = {
        "name": "small",
        "fold": None,
        "device": "cpu",
        "num_workers": 1,
        "validate_every_epochs": 1,
    }
    return TrainOptions(**(values | changes))


def weights(bundle: Path) -> dict[str, np.ndarray]:
    return dict(load_file(bundle / "weights.safetensors"))


def same(first: Path, second: Path) -> bool:
    first_weights, second_weights = weights(first), weights(second)
    return all(np.array_equal(first_weights[name], second_weights[name]) for name in first_weights)


def test_a_folder_of_fields_becomes_a_detector_that_runs(fields: Path, tmp_path: Path) -> None:
    said: list[str] = []
    progress: list[TrainProgress] = []
    bundle = run_training(
        make_config(), fields, tmp_path / "run", options(fold=1), progress.append, said.append
    )
    info = read_info(str(bundle))
    assert [cell_class.name for cell_class in info.classes] == ["NILM", "HSIL"]
    assert said[0].startswith("3 fields, 18 cells: NILM ")
    assert any(line.startswith("epoch 1: mAP50") for line in said)
    assert any(line.startswith("at the end: mAP50") for line in said)
    assert [step.iteration for step in progress] == list(range(1, progress[-1].num_iterations + 1))
    tile = draw_field(9, 128, 128, 0.5, 3, {"NILM": 1.0})[0]
    load_detector(str(bundle), engine="torch").detect(TileBatch(tile[None], np.zeros((1, 2)), 1.0))
    assert "held-out fields" in (bundle / "card.md").read_text()
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_the_same_seed_trains_the_same_weights_with_any_number_of_workers(
    fields: Path, tmp_path: Path
) -> None:
    first = run_training(make_config(), fields, tmp_path / "a", options())
    second = run_training(make_config(), fields, tmp_path / "b", options(num_workers=2))
    other_seed = run_training(make_config(seed=1), fields, tmp_path / "c", options())
    assert same(first, second)
    assert not same(first, other_seed)


def seconds(run_dir: Path) -> float:
    saved = read_checkpoint(run_dir)
    assert saved is not None
    return float(saved["train_s"])


@pytest.mark.parametrize(
    "loss",
    [
        {"type": "GradLibraLoss", "use_sigmoid": True},
        {"type": "BalanceLibraLoss", "use_sigmoid": True, "num_classes": 2},
    ],
    ids=lambda loss: loss["type"],
)
def test_an_interrupted_run_ends_as_one_that_was_not(
    loss: dict[str, Any], fields: Path, tmp_path: Path
) -> None:
    config = make_config()
    config.network["bbox_head"]["loss_cls"] = loss
    uninterrupted = run_training(config, fields, tmp_path / "uninterrupted", options())

    def interrupt(progress: TrainProgress) -> None:
        if progress.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training(config, fields, tmp_path / "cut", options(), interrupt)
    first_epoch_s = seconds(tmp_path / "cut")
    resumed: list[TrainProgress] = []
    cut = run_training(config, fields, tmp_path / "cut", options(), resumed.append)
    assert resumed[0].epoch == 1
    assert same(uninterrupted, cut)
    assert seconds(tmp_path / "cut") > first_epoch_s > 0


def test_other_thresholds_export_the_same_run_anew(fields: Path, tmp_path: Path) -> None:
    config = make_config()
    run_training(config, fields, tmp_path / "run", options())
    postprocess = config.postprocess.model_copy(update={"score_thresholds": (0.4, 0.3)})
    changed = config.model_copy(update={"postprocess": postprocess})
    iterations: list[TrainProgress] = []
    bundle = run_training(changed, fields, tmp_path / "run", options(), iterations.append)
    assert read_info(str(bundle)).score_thresholds == (0.4, 0.3)
    assert iterations == []


def test_a_folder_with_another_run_is_refused(fields: Path, tmp_path: Path) -> None:
    run_training(make_config(epochs=1), fields, tmp_path / "run", options())
    with pytest.raises(TrainingError, match="holds a run with another configuration"):
        run_training(make_config(epochs=2), fields, tmp_path / "run", options())


def test_a_folder_of_another_fold_or_of_other_labels_is_refused(tmp_path: Path) -> None:
    data, run = write_fields(tmp_path / "data"), tmp_path / "run"
    run_training(make_config(epochs=1), data, run, options(fold=0))
    with pytest.raises(TrainingError, match="another configuration, seed, fold, data"):
        run_training(make_config(epochs=1), data, run, options(fold=1))
    content = json.loads((data / "annotations.json").read_text())
    for cell in content["annotations"]:
        cell["category_id"] = 3 - cell["category_id"]
    (data / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(TrainingError, match="another configuration, seed, fold, data"):
        run_training(make_config(epochs=1), data, run, options(fold=0))
    (run / "run.json").write_text("")
    with pytest.raises(TrainingError, match=r"run\.json is damaged"):
        run_training(make_config(epochs=1), data, run, options(fold=0))


def test_fields_without_mpp_are_refused_before_they_are_learned_from_if_they_are_to_be_measured_on(
    tmp_path: Path,
) -> None:
    data = write_fields(tmp_path / "data")
    content = json.loads((data / "annotations.json").read_text())
    del content["images"][2]["mpp"]
    (data / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"1 images state no µm per px, field2\.png"):
        run_training(make_config(), data, tmp_path / "run", options(fold=0))
    said: list[str] = []
    run_training(make_config(epochs=1), data, tmp_path / "all", options(), say=said.append)
    assert any("1 fields state no µm/px" in line for line in said)


def test_frozen_random_weights_are_refused(fields: Path, tmp_path: Path) -> None:
    config = make_config()
    network = config.network | {"backbone": config.network["backbone"] | {"frozen_stages": 1}}
    with pytest.raises(TrainingError, match=r"frozen_stages keeps random weights"):
        run_training(config.model_copy(update={"network": network}), fields, tmp_path, options())


def test_a_loss_made_for_other_classes_is_refused_by_name(fields: Path, tmp_path: Path) -> None:
    config = make_config()
    loss = {"type": "ClassBalancedLoss", "use_sigmoid": True, "class_counts": [5, 4, 3]}
    network = config.network | {"bbox_head": config.network["bbox_head"] | {"loss_cls": loss}}
    with pytest.raises(TrainingError, match="made for 3 classes, but the data have 2"):
        run_training(config.model_copy(update={"network": network}), fields, tmp_path, options())


def test_a_loss_that_is_not_finite_stops_and_keeps_its_batch(fields: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match=r"not finite at iteration \d+ .*batch_of_nan.npz"):
        run_training(make_config(lr=1e30, epochs=20), fields, run, options())
    with np.load(run / "batch_of_nan.npz") as saved:
        assert saved["pixels"].shape == (2, 3, 96, 96)


def test_a_damaged_checkpoint_is_named(fields: Path, tmp_path: Path) -> None:
    run_training(make_config(epochs=1), fields, tmp_path, options())
    (tmp_path / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt cannot be read"):
        run_training(make_config(epochs=1), fields, tmp_path, options())


def test_a_fold_that_is_not_there_is_named(fields: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"fold 9.*\[0, 1\]"):
        run_training(make_config(), fields, tmp_path, options(fold=9))


def test_an_unused_fold_is_neither_learned_from_nor_measured_on(tmp_path: Path) -> None:
    fields = write_fields(tmp_path / "fields", num_fields=9, num_folds=3)
    said: list[str] = []
    changes: dict[str, Any] = {"fold": 0, "unused_folds": (2,)}
    bundle = run_training(
        make_config(epochs=1), fields, tmp_path / "run", options(**changes), say=said.append
    )
    assert said[0].startswith("3 fields, 18 cells")
    assert "On 3 held-out fields" in (bundle / "card.md").read_text()
    assert read_model(bundle).training["unused_folds"] == [2]


@pytest.mark.parametrize("device", ["tpu", "cuda"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    import torch

    if device == "cuda" and torch.cuda.is_available():
        assert choose_device("cuda").type == "cuda"
        return
    with pytest.raises(TrainingError, match=device):
        choose_device(device)


@pytest.mark.parametrize("part", ["backbone", "bbox_head"])
def test_a_configuration_without_a_part_that_learns_is_refused(part: str) -> None:
    content = make_config().model_dump()
    del content["network"][part]
    with pytest.raises(ValidationError, match=rf"network\.{part} is missing"):
        TrainConfig.model_validate(content)


def test_a_name_that_no_detector_can_have_is_refused_before_training(
    fields: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="cannot be called 'my detector'"):
        run_training(make_config(), fields, tmp_path / "run", options(name="my detector"))
    assert not (tmp_path / "run").exists()


def test_a_gradient_that_is_not_finite_stops_before_the_weights_are_spoilt(
    fields: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute_terms = GradLibraLoss.compute_terms

    def spoil(loss: GradLibraLoss, logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        # Adds 0, whose slope at 0 is endless.
        return compute_terms(loss, logit, target, counted) + torch.sqrt(logit * 0)

    monkeypatch.setattr(GradLibraLoss, "compute_terms", spoil)
    with pytest.raises(TrainingError, match="its gradient is not finite at iteration 0"):
        run_training(make_config(), fields, tmp_path / "run", options())
    assert (tmp_path / "run" / "batch_of_nan.npz").exists()


def test_a_network_that_cannot_be_built_does_not_keep_the_folder(
    fields: Path, tmp_path: Path
) -> None:
    config = make_config(epochs=1)
    head = config.network["bbox_head"] | {"stacked_conv": 2}
    wrong = config.model_copy(update={"network": config.network | {"bbox_head": head}})
    with pytest.raises(BundleError, match="stacked_conv"):
        run_training(wrong, fields, tmp_path / "run", options())
    run_training(config, fields, tmp_path / "run", options())


def test_cells_that_are_next_to_nothing_are_refused(fields: Path, tmp_path: Path) -> None:
    config = make_config()
    coarse = config.model_copy(update={"input": config.input.model_copy(update={"mpp": 20.0})})
    with pytest.raises(DatasetError, match=r"at input\.mpp = 20 the median box .*lower it"):
        run_training(coarse, fields, tmp_path / "run", options())
    assert not (tmp_path / "run").exists()


def test_a_detector_that_finds_nothing_is_warned_of(fields: Path, tmp_path: Path) -> None:
    said: list[str] = []
    run_training(make_config(epochs=1, lr=1e-9), fields, tmp_path, options(fold=1), say=said.append)
    assert any("finds next to nothing" in line for line in said)
