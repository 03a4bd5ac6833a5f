"""Command line and server give the same cells the same ids, and two slides never share one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.phantom import PhantomSpec, draw_phantom
from service.cli.demo import post_slide, running_server, save_results, wait_until_done

DETECTOR = "fast"


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two slides of the same cells in the same places, on files of their own."""
    paths = [tmp_path_factory.mktemp("slide") / "slide.svs" for _ in range(2)]
    draw_phantom(paths[0], PhantomSpec(5, 1200, 1000, 16, {"NILM": 0.7, "HSIL": 0.3}))
    # OpenSlide does not read beyond the last directory, so the pictures are the same.
    paths[1].write_bytes(paths[0].read_bytes() + b"\0")
    return paths


def analyse(slide: Path, out: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "service.cli.main", "analyse", str(slide), "-o", str(out)]
    command += ["--detector", DETECTOR]
    subprocess.run(command, check=True, capture_output=True)
    content: dict[str, Any] = json.loads((out / "annotations.geojson").read_text())
    return content


def post(client: httpx.Client, slide: Path, out: Path) -> dict[str, Any]:
    status = post_slide(client, slide)
    wait_until_done(client, status["links"]["self"])
    out.mkdir()
    save_results(client, status["links"], out)
    content: dict[str, Any] = json.loads((out / "annotations.geojson").read_text())
    return content


def ids(content: dict[str, Any]) -> list[str]:
    return [feature["id"] for feature in content["features"]]


def test_both_ways_give_the_same_file(slides: list[Path], tmp_path: Path) -> None:
    by_command = analyse(slides[0], tmp_path / "command")
    (tmp_path / "server").mkdir()
    with (
        running_server(tmp_path / "server" / "data") as url,
        httpx.Client(base_url=url, timeout=60.0, params={"detector": DETECTOR}) as client,
    ):
        by_server = post(client, slides[0], tmp_path / "posted")
        of_other_file = post(client, slides[1], tmp_path / "other")
    assert len(by_command["features"]) >= 10
    assert by_command == by_server
    boxes = [
        [each["geometry"] for each in content["features"]] for content in (by_server, of_other_file)
    ]
    assert boxes[0] == boxes[1]
    assert not set(ids(by_server)) & set(ids(of_other_file))
