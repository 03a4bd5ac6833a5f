"""A detector trained without a fold is calibrated on it, and serves what was chosen there."""

import json
import shutil
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from models.bundle.description import read_model
from models.bundle.find import ZOO_DIR
from models.bundle.load import load_detector
from models.phantom import draw_field
from service.cli.main import app

CLASSES = ("NILM", "ASC-US", "LSIL", "ASC-H", "HSIL", "SCC")
MIXES = (
    {"NILM": 1.0},
    {"NILM": 0.4, "ASC-US": 0.2, "LSIL": 0.1, "ASC-H": 0.1, "HSIL": 0.1, "SCC": 0.1},
)
NUM_FIELDS, SIDE_PX, MPP = 8, 640, 0.49


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    images, annotations = [], []
    for index in range(NUM_FIELDS):
        pixels, bbox, label = draw_field(index, SIDE_PX, SIDE_PX, MPP, 24, MIXES[index % 2])
        name = f"field{index}.png"
        cv2.imwrite(str(folder / "images" / name), pixels[:, :, ::-1])
        size = {"width": SIDE_PX, "height": SIDE_PX, "mpp": MPP, "fold": 0}
        images.append({"id": index, "file_name": name} | size)
        annotations += [
            {"image_id": index, "category_id": int(category), "bbox": [x1, y1, x2 - x1, y2 - y1]}
            for (x1, y1, x2, y2), category in zip(bbox.tolist(), label.tolist(), strict=True)
        ]
    content = {
        "images": images,
        "annotations": [{"id": index} | cell for index, cell in enumerate(annotations)],
        "categories": [{"id": index, "name": name} for index, name in enumerate(CLASSES)],
    }
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    """The shipped `grad-libra`, as if trained without fold 0, without what was chosen for it."""
    folder = tmp_path / "held"
    shutil.copytree(ZOO_DIR / "grad-libra", folder)
    path = folder / "model.json"
    model = json.loads(path.read_text())
    model |= {"calibration": None, "score_thresholds": [0.99] * len(CLASSES)}
    model["training"]["fold_held_out"] = 0
    path.write_text(json.dumps(model))
    return folder


def test_a_calibrated_detector_finds_the_cells_that_it_was_calibrated_on(
    data: Path, held_out: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    command = ["calibrate", str(held_out), str(data), "--fold", "0", "-o", str(new)]
    command += ["--name", "drawn", "--side-support", "0.25"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    model = read_model(new)
    assert model.name == "drawn"
    assert model.side_support == 0.25
    assert model.calibration is not None
    assert max(model.score_thresholds) < 0.99
    assert model.training["calibrated_on_fold"] == 0
    assert {path.name for path in new.iterdir()} == {
        "card.md",
        "model.json",
        "reliability.png",
        "weights.safetensors",
    }
    figures = tmp_path / "figures.json"
    measure = ["evaluate", str(data), "--detector", str(new), "--json", str(figures)]
    CliRunner().invoke(app, measure, catch_exceptions=False)
    measured = json.loads(figures.read_text())
    assert measured["any_cell"]["f1"] > 0.9
    assert load_detector(str(new)).info.name == "drawn"
