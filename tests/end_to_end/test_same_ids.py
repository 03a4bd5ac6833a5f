"""Command line and server find the same cells with a real detector, and give them the same ids."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from models.phantom import PhantomSpec, draw_phantom
from service.cli.demo import running_server, save_results, wait_until_done

DETECTOR = "fast"


# Three processes load the network one after another, which takes minutes on a busy machine.
@pytest.mark.timeout(900)
def test_both_ways_give_the_same_file(tmp_path: Path) -> None:
    slide = tmp_path / "slide.svs"
    draw_phantom(slide, PhantomSpec(5, 1200, 1000, 16, {"NILM": 0.7, "HSIL": 0.3}))
    command = [sys.executable, "-m", "service.cli.main", "analyse", str(slide)]
    command += ["-o", str(tmp_path / "command"), "--detector", DETECTOR]
    subprocess.run(command, check=True, capture_output=True)
    (tmp_path / "server").mkdir()
    with (
        running_server(tmp_path / "server" / "data") as url,
        httpx.Client(base_url=url, timeout=60.0) as client,
    ):
        query = {"filename": slide.name, "detector": DETECTOR}
        answer = client.post("/v1/slides", params=query, content=slide.read_bytes())
        status = answer.raise_for_status().json()
        wait_until_done(client, status["links"]["self"])
        save_results(client, status["links"], tmp_path / "server")
    by_command, by_server = (
        json.loads((tmp_path / way / "annotations.geojson").read_text())
        for way in ("command", "server")
    )
    assert len(by_command["features"]) >= 10
    assert by_command == by_server
