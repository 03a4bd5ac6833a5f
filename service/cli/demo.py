"""The main job from end to end, as a laboratory would run it: `make demo`.

Draws a phantom slide, starts a server on a free loopback port, POSTs the slide over a real socket,
shows the progress and the result, and stops the server again.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from models.phantom import PhantomSpec, draw_phantom, read_truth
from service.api.version import SLIDES_PATH
from service.cli.report_lines import describe
from service.errors import CytolibraError
from service.pipeline.report.model import SlideReport

START_TIMEOUT_S = 90.0
SLIDE_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.3

SIDE_PX, NUM_CELLS = 6000, 400
MIX = {"NILM": 0.68, "ASC-US": 0.05, "LSIL": 0.10, "HSIL": 0.14, "SCC": 0.03}


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the slide and the results.")] = Path(
        "out/demo"
    ),
    seed: Annotated[int, typer.Option(help="Of the phantom slide.")] = 2022,
) -> None:
    """Draw a phantom slide, have a real server analyse it, show the result."""
    console = Console()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    slide = out / "phantom.svs"
    console.rule("1. A phantom slide")
    truth = draw_phantom(slide, PhantomSpec(seed, SIDE_PX, SIDE_PX, NUM_CELLS, MIX))
    console.print(f"{slide}: {SIDE_PX} x {SIDE_PX} px, {slide.stat().st_size / 1e6:.1f} MB")
    console.print(f"{truth}: where its {NUM_CELLS} cells are")
    console.rule("2. A server, and the slide POSTed to it")
    with running_server(out / "data") as url:
        console.print(f"{url} (its log: {out / 'server.log'})")
        with httpx.Client(base_url=url, timeout=60.0) as client:
            status = post_slide(client, slide)
            wait_until_done(client, status["links"]["self"])
            save_results(client, status["links"], out)
    console.rule("3. The result")
    show(console, out, truth)


@contextmanager
def running_server(data_dir: Path) -> Iterator[str]:
    """A server's base URL, once it is ready; stopped by SIGTERM on leaving.

    Raises:
        CytolibraError: it did not get ready, or did not stop cleanly.
    """
    port = _free_port()
    log_path = data_dir.parent / "server.log"
    command = [sys.executable, "-m", "service.cli.main", "serve", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--data", str(data_dir)]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, url, log_path)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            status = _wait_or_kill(process)
    if status != 0:
        raise CytolibraError(f"the server stopped with status {status}: see {log_path}")


def post_slide(client: httpx.Client, slide: Path) -> dict[str, Any]:
    """The server's answer to the slide, sent as a raw body."""
    with slide.open("rb") as body:
        answer = client.post(SLIDES_PATH, params={"filename": slide.name}, content=body)
    if answer.status_code not in (200, 202):
        raise CytolibraError(f"the slide was refused: {answer.text}")
    status: dict[str, Any] = answer.json()
    return status


def wait_until_done(client: httpx.Client, link: str) -> None:
    """Shows the slide's progress until it is done.

    Raises:
        CytolibraError: it failed, or took longer than ten minutes.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("queued", total=1.0)
        deadline = time.monotonic() + SLIDE_TIMEOUT_S
        while time.monotonic() < deadline:
            slide = client.get(link).raise_for_status().json()
            bar.update(task, completed=slide["progress"], description=slide["status"])
            if slide["status"] == "done":
                return
            if slide["status"] in ("failed", "cancelled"):
                raise CytolibraError(f"the slide ended {slide['status']}: {slide.get('error')}")
            time.sleep(POLL_S)
    raise CytolibraError(f"the slide was not done within {SLIDE_TIMEOUT_S:.0f} s")


def save_results(client: httpx.Client, links: dict[str, str], out: Path) -> None:
    """Writes report.json and annotations.geojson."""
    report = client.get(links["report"]).raise_for_status()
    (out / "report.json").write_text(json.dumps(report.json(), indent=2) + "\n", encoding="utf-8")
    with (
        (out / "annotations.geojson").open("wb") as file,
        client.stream("GET", links["annotations"]) as answer,
    ):
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            file.write(chunk)


def show(console: Console, out: Path, truth_path: Path) -> None:
    """Prints what was drawn and what was found."""
    report = SlideReport.model_validate_json((out / "report.json").read_bytes())
    _, label = read_truth(truth_path)
    names = list(report.counts)
    table = Table("class", "drawn", "found", title="Cells")
    for index, name in enumerate(names):
        table.add_row(name, str(int((label == index).sum())), str(report.counts[name]))
    table.add_section()
    table.add_row("all", str(len(label)), str(report.num_cells))
    console.print(table)
    for name, text in describe(report):
        console.print(f"{name:<19}{text}")
    console.print(f"report             {out / 'report.json'}")
    console.print(f"annotations        {out / 'annotations.geojson'}  (opens in QuPath)")
    console.print(f"[italic]{report.disclaimer}[/italic]")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log_path: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CytolibraError(f"the server did not start: see {log_path}")
        try:
            if httpx.get(f"{url}/readyz", timeout=5.0).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(POLL_S)
    raise CytolibraError(f"the server was not ready within {START_TIMEOUT_S:.0f} s: see {log_path}")


def _wait_or_kill(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


if __name__ == "__main__":
    try:
        typer.run(demo)
    except CytolibraError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(1)
