"""`cytolibra analyse`: every format, with ids that depend on slide, detector and scale alone."""

import csv
import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import models.bundle.load
from service.cli.main import app
from service.pipeline.cell_ids import make_cell_ids
from service.pipeline.types import CellSource
from tests.service.fake_server import CELLS_XY, known_cells
from tests.service.running_server import RunningServer
from tests.service.small_slide import MPP, draw_slide


@pytest.fixture(autouse=True)
def fake_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.bundle.load, "load_detector", lambda *_, **__: known_cells())


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_slide(tmp_path_factory.mktemp("slide") / "slide.svs")


def analyse(slide: Path, out: Path, *options: str) -> set[str]:
    done = CliRunner().invoke(app, ["analyse", str(slide), "-o", str(out), *options])
    assert done.exit_code == 0, done.output
    return {path.name for path in out.iterdir()} - {"report.json", "overlay.png"}


def test_every_format_is_written_with_the_same_ids(slide: Path, tmp_path: Path) -> None:
    assert analyse(slide, tmp_path / "a") == {"annotations.geojson"}
    assert analyse(slide, tmp_path / "b", "--format", "ndjson") == {"annotations.ndjson"}
    assert analyse(slide, tmp_path / "c", "--format", "coco") == {"annotations.coco.json"}
    assert analyse(slide, tmp_path / "d", "--format", "csv") == {"annotations.csv"}
    features = json.loads((tmp_path / "a/annotations.geojson").read_text())["features"]
    ids = [feature["id"] for feature in features]
    assert len(set(ids)) == len(CELLS_XY)
    lines = (tmp_path / "b/annotations.ndjson").read_text().splitlines()
    assert [json.loads(line) for line in lines] == features
    coco = json.loads((tmp_path / "c/annotations.coco.json").read_text())["annotations"]
    assert [annotation["uuid"] for annotation in coco] == ids
    with (tmp_path / "d/annotations.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ids


def test_an_unknown_format_is_wrong_usage(slide: Path, tmp_path: Path) -> None:
    command = ["analyse", str(slide), "-o", str(tmp_path / "out"), "--format", "pdf"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert "'pdf' is none of geojson, ndjson, coco, csv" in done.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_ids_come_from_the_bytes_of_the_slide_and_the_scale_in_use(
    slide: Path, tmp_path: Path
) -> None:
    def ids(out: str) -> set[str]:
        content = json.loads((tmp_path / out / "annotations.geojson").read_text())
        return {feature["id"] for feature in content["features"]}

    info = known_cells().info
    sha256 = hashlib.sha256(slide.read_bytes()).hexdigest()
    boxes = known_cells().cells.bbox_xyxy
    analyse(slide, tmp_path / "stated")
    analyse(slide, tmp_path / "given", "--mpp", str(MPP))
    analyse(slide, tmp_path / "other", "--mpp", "0.4")
    assert ids("stated") == set(make_cell_ids(CellSource(sha256, info.digest, MPP), boxes))
    assert ids("given") == ids("stated")
    assert ids("other") == set(make_cell_ids(CellSource(sha256, info.digest, 0.4), boxes))
    copy = tmp_path / "renamed.svs"
    copy.write_bytes(slide.read_bytes())
    analyse(copy, tmp_path / "copy")
    assert ids("copy") == ids("stated")
    copy.write_bytes(slide.read_bytes() + b"\0")
    analyse(copy, tmp_path / "changed")
    assert not ids("changed") & ids("stated")


def test_command_line_and_server_give_the_same_file_and_no_two_slides_the_same_ids(
    slide: Path, tmp_path: Path
) -> None:
    twin = tmp_path / "twin.svs"
    twin.write_bytes(slide.read_bytes() + b"\0")
    server = RunningServer(tmp_path).start()
    try:
        by_server = [
            server.client.get(
                server.wait_until_ended(server.post(path).json()["id"])["links"]["annotations"]
            ).json()
            for path in (slide, twin)
        ]
    finally:
        assert server.stop() == 0
    for path, content in zip((slide, twin), by_server, strict=True):
        analyse(path, tmp_path / path.stem)
        written = json.loads((tmp_path / path.stem / "annotations.geojson").read_text())
        assert len(written["features"]) == len(CELLS_XY)
        assert written == content
    places = [[cell["geometry"] for cell in each["features"]] for each in by_server]
    assert places[0] == places[1]
    ids = [{cell["id"] for cell in each["features"]} for each in by_server]
    assert not ids[0] & ids[1]
