"""`evaluate --slides` prints its tables and writes what it was asked for."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.bundle.description import SlideScoreCoefficients
from models.classes import BETHESDA
from models.data.coco import FieldSet
from service.cli.evaluate_slides import SlideOutputs, evaluate_slides
from service.cli.main import app
from service.composed_slides import check, cross_fit, fit, judge
from service.composed_slides.compose import SlideSpec
from tests.service.composed_slides.conftest import SpotDetector, make_field


def test_figures_and_coefficients_and_slides_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("models.bundle.load.load_detector", lambda name, engine: SpotDetector())
    monkeypatch.setattr(fit, "NUM_SLIDES", 100)
    monkeypatch.setattr(fit, "PRIOR_TOTALS", (10.0,))
    monkeypatch.setattr(cross_fit, "GRADE_FACTORS", (1.0,))
    monkeypatch.setattr(cross_fit, "NUM_PARTS", 2)
    monkeypatch.setattr(judge, "SIZES", (30, 300))
    monkeypatch.setattr(judge, "SHARES", (0.02, 0.5))
    monkeypatch.setattr(check.check_written_slides, "__defaults__", ((SlideSpec(30, 0.2),), print))
    fields = FieldSet(
        tuple(make_field(tmp_path / f"{index}.png", index) for index in range(12)), BETHESDA
    )
    outputs = SlideOutputs(
        tmp_path / "out/all.json", tmp_path / "out/fit.json", tmp_path / "slides"
    )
    evaluate_slides("fake", fields, "torch", None, outputs)
    printed = capsys.readouterr().out
    assert "optimistically biased" in printed
    assert "AUC" in printed
    content = json.loads((tmp_path / "out/all.json").read_text())
    fitted = json.loads((tmp_path / "out/fit.json").read_text())
    assert SlideScoreCoefficients(**fitted).severe is not None or fitted["severe"] is None
    assert content["fitted"]["slide_score"] == fitted
    assert content["shipped"]["figures"]["auc"] > 0.5
    assert [each["slide"] for each in content["written_slides"]] == ["smear0.svs", "glass0.svs"]
    names = sorted(path.name for path in (tmp_path / "slides").iterdir())
    assert names == [f"{ground}0.{end}" for ground in ("glass", "smear") for end in ENDS]


ENDS = ("svs", "truth.geojson")


def test_files_of_slides_need_slides() -> None:
    done = CliRunner().invoke(app, ["evaluate", "data", "--slides-dir", "out"])
    assert done.exit_code == 2
