"""`cytolibra analyse`: a slide in, report, annotations and a picture out, without a server."""

import contextlib
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.engine_option import check_engine
from service.cli.output_folder import check_output

if TYPE_CHECKING:
    from service.pipeline.report.model import SlideReport
    from service.pipeline.types import Analysis, OnProgress

REPORT, ANNOTATIONS, OVERLAY = "report.json", "annotations.geojson", "overlay.png"


def analyse(
    slide: Annotated[Path, typer.Argument(help="Any slide that OpenSlide reads.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")],
    detector: Annotated[
        str, typer.Option(help="Name of a detector, or a bundle's folder.")
    ] = "default",
    mpp: Annotated[
        float | None, typer.Option(help="µm per px, where the slide does not say it.")
    ] = None,
    engine: Annotated[str, typer.Option(help="auto, torch or openvino.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Tiles per call of the detector.")] = 8,
    max_unreadable: Annotated[
        float, typer.Option(min=0, max=1, help="Share of damaged tiles that is still accepted.")
    ] = 0.2,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Analyse a slide: counts, abnormality score, annotations, and a picture of what was found."""
    import orjson

    from models.bundle.load import load_detector
    from service.pipeline import analyse_slide
    from service.pipeline.report.build import report_to_json
    from service.pipeline.slide import check_slide
    from service.pipeline.types import Options

    check_output(output)
    check_slide(slide, mpp)
    model = load_detector(detector, engine=check_engine(engine))
    options = Options(mpp=mpp, batch_size=batch_size, max_unreadable_fraction=max_unreadable)
    with _tile_progress() as tell:
        analysis = analyse_slide(slide, model, options, on_progress=tell)
    _write_results(slide, mpp, analysis, output)
    if as_json:
        typer.echo(orjson.dumps(report_to_json(analysis.report)).decode())
    else:
        _print(analysis.report, output)


@contextlib.contextmanager
def _tile_progress() -> "Iterator[OnProgress]":
    """A bar with tiles, tiles/s and time left, on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from service.pipeline.types import Progress as TileProgress

    bar = Progress(
        TextColumn("Tiles"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("tiles", total=None, rate="")

        def tell(progress: TileProgress) -> None:
            speed = bar.tasks[0].speed
            rate = f"{speed:.1f} tiles/s" if speed else ""
            bar.update(task, completed=progress.tiles_done, total=progress.tiles_total, rate=rate)

        yield tell


def _write_results(slide: Path, mpp: float | None, analysis: "Analysis", output: Path) -> None:
    """Writes all three files, or none: they are moved into place when all are complete.

    Raises:
        NoSpaceError: they cannot be written.
    """
    from service.errors import NoSpaceError

    existed = output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=output) as folder:
            _write_into(Path(folder), slide, mpp, analysis)
            for name in (REPORT, ANNOTATIONS, OVERLAY):
                os.replace(Path(folder) / name, output / name)
    except OSError as error:
        raise NoSpaceError(
            f"the results cannot be written to {output}: {error.strerror or error}"
        ) from error
    finally:
        if not existed and output.is_dir() and not any(output.iterdir()):
            output.rmdir()


def _write_into(folder: Path, slide: Path, mpp: float | None, analysis: "Analysis") -> None:
    import orjson
    from PIL import Image

    from service.exports.frame import Frame
    from service.exports.geojson import write_geojson
    from service.pipeline.overlay import draw_overlay
    from service.pipeline.report.build import report_to_json
    from service.pipeline.slide import open_slide

    report = report_to_json(analysis.report)
    (folder / REPORT).write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    digest = analysis.report.provenance.detector.digest
    namespace = uuid.uuid5(uuid.NAMESPACE_OID, digest)
    frame = Frame(analysis.classes, analysis.slide, "slide", namespace, analysis.report.disclaimer)
    with (folder / ANNOTATIONS).open("wb") as file:
        file.writelines(write_geojson([analysis.detections], frame))
    with open_slide(slide, mpp) as opened:
        picture = draw_overlay(opened, analysis.detections, analysis.classes)
    Image.fromarray(picture).save(folder / OVERLAY)


def _print(report: "SlideReport", output: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from service.cli.report_lines import describe

    table = Table("class", "cells")
    for name, count in report.counts.items():
        table.add_row(name, str(count))
    table.add_section()
    table.add_row("all", str(report.num_cells))
    console = Console()
    console.print(table)
    for name, text in describe(report):
        console.print(f"{name:<19}{text}")
    for name in (REPORT, ANNOTATIONS, OVERLAY):
        console.print(f"written            {output / name}", soft_wrap=True)
    console.print(f"[italic]{report.disclaimer}[/italic]")
