"""`cytolibra train` fits the slide score to the new detector where its held-out fields suffice."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.bundle.description import read_model
from models.bundle.load import load_detector
from models.calibrate.slide_score import FittedSlideScore
from models.classes import CellClass
from models.data.coco import FieldSet
from models.detector import Detector, SlideScoreModel
from models.training.config import find_config, read_config
from models.training.export import describe_bundle
from models.training.run import TrainOptions, run_training
from service.cli.main import app
from service.composed_slides.coefficients import find_coefficients
from service.pipeline.report.category import name_category
from tests.models.small_training import make_config, write_fields
from tests.service.cli.quick_fit import make_quick


def test_fields_that_do_not_suffice_leave_the_configurations_coefficients_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(epochs=1)
    monkeypatch.setattr("models.training.config.read_config", lambda path: config)
    data, run = write_fields(tmp_path / "data"), tmp_path / "run"
    command = ["train", "fcos_lite0", str(data), "-o", str(run), "--fold", "0", "--device", "cpu"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0
    reason = "3 fields of 3 slides cannot be split in 4"
    assert f"keeps the configuration's coefficients: {reason}" in " ".join(done.output.split())
    model = read_model(run / "bundle")
    assert model.slide_score.slope == config.slide_score.slope
    assert "slides" not in model.training
    assert reason in model.training["slide_score"]
    assert (
        f"slide score: not fitted to this detector: {reason}"
        in (run / "bundle" / "card.md").read_text()
    )


def test_of_other_classes_an_abnormal_one_can_be_the_category_without_a_fit(tmp_path: Path) -> None:
    config = read_config(find_config("fcos_lite0"))
    classes = (CellClass("normal", (0, 0, 0), 0), CellClass("abnormal", (1, 1, 1), 1))
    model = describe_bundle(config, classes, "mine", {})
    score = SlideScoreModel(**model["slide_score"])
    assert name_category(np.array([1, 900]), classes, score).code == "abnormal"
    assert name_category(np.array([900, 1]), classes, score).code == "none-supported"


def test_a_fit_that_breaks_costs_no_training(tmp_path: Path) -> None:
    def broken(detector: Detector, held_out: FieldSet) -> FittedSlideScore:
        raise ValueError("a mistake of ours")

    data = write_fields(tmp_path / "data")
    options = TrainOptions("small", 0, "cpu", 1, 9)
    with pytest.raises(ValueError, match="a mistake of ours"):
        run_training(make_config(epochs=1), data, tmp_path / "run", options, fit_slide_score=broken)
    assert read_model(tmp_path / "run" / "bundle").name == "small"


def test_a_new_detector_is_served_with_coefficients_fitted_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_quick(monkeypatch)
    config = make_config(epochs=1)
    data = write_fields(tmp_path / "data", num_fields=16, every_other_negative=True)
    bundle = run_training(
        config,
        data,
        tmp_path / "run",
        TrainOptions("small", 0, "cpu", 1, 9),
        fit_slide_score=partial(find_coefficients, warn=print),
    )
    fitted = load_detector(str(bundle)).info.slide_score
    assert fitted.intercept != config.slide_score.intercept
    assert len(read_model(bundle).training["slides"]["margins"]) == 2
    assert "## Slide score" in (bundle / "card.md").read_text()
