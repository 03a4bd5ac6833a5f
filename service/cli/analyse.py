"""`cytolibra analyse`: a slide in, report, annotations and a picture out, without a server."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.engine_option import check_engine
from service.cli.format_option import check_format
from service.cli.output_folder import check_output

if TYPE_CHECKING:
    from service.exports.formats import Format
    from service.pipeline.report.model import SlideReport
    from service.pipeline.types import Analysis, OnProgress

REPORT, OVERLAY = "report.json", "overlay.png"


@dataclass(frozen=True)
class _Results:
    """What is written: an analysis, of which slide at which stated µm/px, in which format."""

    slide: Path
    mpp: float | None
    slide_sha256: str
    analysis: "Analysis"
    format: "Format"


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
    format: Annotated[
        str, typer.Option(help="Of the annotations: geojson (for QuPath), ndjson, coco or csv.")
    ] = "geojson",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Analyse a slide: counts, abnormality score, annotations, and a picture of the cells."""
    import orjson

    from models.bundle.load import load_detector
    from service.pipeline import analyse_slide
    from service.pipeline.report.build import report_to_json
    from service.pipeline.slide import check_slide
    from service.pipeline.slide_digest import hash_slide
    from service.pipeline.types import Options

    annotations_format = check_format(format)
    check_output(output)
    check_slide(slide, mpp)
    model = load_detector(detector, engine=check_engine(engine))
    with _byte_progress(slide) as on_bytes:
        sha256 = hash_slide(slide, on_bytes)
    options = Options(mpp=mpp, batch_size=batch_size, max_unreadable_fraction=max_unreadable)
    with _tile_progress() as tell:
        analysis = analyse_slide(slide, model, options, on_progress=tell, slide_sha256=sha256)
    names = _write_results(_Results(slide, mpp, sha256, analysis, annotations_format), output)
    if as_json:
        typer.echo(orjson.dumps(report_to_json(analysis.report)).decode())
    else:
        _print(analysis.report, [output / name for name in names])


@contextlib.contextmanager
def _byte_progress(slide: Path) -> Iterator[Callable[[int], None]]:
    """A bar with bytes read and time left, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from service.pipeline.slide_digest import list_slide_files

    bar = Progress(
        TextColumn("Digest"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    total = sum(file.stat().st_size for file in list_slide_files(slide))
    with bar:
        task = bar.add_task("digest", total=total)
        yield lambda num_bytes: bar.advance(task, num_bytes)


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


def _write_results(results: _Results, output: Path) -> tuple[str, ...]:
    """Writes all three files, or none: they are moved into place when all are complete.

    Returns:
        Their names.

    Raises:
        NoSpaceError: they cannot be written.
    """
    from models.atomic_write import move_into_place
    from service.errors import NoSpaceError

    existed = output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=output) as folder:
            names = _write_into(Path(folder), results)
            for name in names:
                move_into_place(Path(folder) / name, output / name)
    except OSError as error:
        raise NoSpaceError(
            f"the results cannot be written to {output}: {error.strerror or error}"
        ) from error
    finally:
        if not existed and output.is_dir() and not any(output.iterdir()):
            output.rmdir()
    return names


def _write_into(folder: Path, results: _Results) -> tuple[str, ...]:
    import orjson
    from PIL import Image

    from service.exports.formats import WRITERS
    from service.exports.frame import Frame
    from service.pipeline.cell_ids import identify_cells
    from service.pipeline.overlay import draw_overlay
    from service.pipeline.report.build import report_to_json
    from service.pipeline.slide import open_slide
    from service.pipeline.types import CellSource

    analysis = results.analysis
    report = report_to_json(analysis.report)
    (folder / REPORT).write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    digest = analysis.report.provenance.detector.digest
    source = CellSource(results.slide_sha256, digest, analysis.slide.mpp)
    frame = Frame(analysis.classes, analysis.slide, "slide", source, analysis.report.disclaimer)
    annotations = f"annotations.{results.format.suffix}"
    with (folder / annotations).open("wb") as file:
        file.writelines(WRITERS[results.format](identify_cells(analysis.detections, source), frame))
    with open_slide(results.slide, results.mpp) as opened:
        picture = draw_overlay(opened, analysis.detections, analysis.classes)
    Image.fromarray(picture).save(folder / OVERLAY)
    return REPORT, annotations, OVERLAY


def _print(report: "SlideReport", written: Sequence[Path]) -> None:
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
    for path in written:
        console.print(f"written            {path}", soft_wrap=True)
    console.print(f"[italic]{report.disclaimer}[/italic]")
