"""`cytolibra phantom`: a synthetic slide with known cells."""

from pathlib import Path
from typing import Annotated

import typer


def phantom(
    output: Annotated[Path, typer.Option("-o", "--output", help="The slide to write, *.svs.")],
    seed: Annotated[int, typer.Option(help="Fixes every pixel.")] = 0,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in px, or one number.")] = "6000x6000",
    cells: Annotated[int, typer.Option(help="Squamous cells to draw.")] = 400,
    mix: Annotated[
        str, typer.Option(help="Shares of the classes.")
    ] = "NILM=0.9,ASC-US=0.04,LSIL=0.03,HSIL=0.03",
    mpp: Annotated[float, typer.Option(help="µm per px.")] = 0.25,
) -> None:
    """Draw an Aperio slide of Papanicolaou-stained cells, and its truth beside it."""
    from rich.console import Console
    from rich.progress import Progress

    from models.phantom import PhantomSpec, draw_phantom, parse_mix

    width, height = _read_size(size)
    spec = PhantomSpec(seed, width, height, cells, parse_mix(mix), mpp)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Drawing")
        truth = draw_phantom(
            output, spec, lambda done, total: bar.update(task, completed=done, total=total)
        )
    typer.echo(f"slide: {output}")
    typer.echo(f"truth: {truth}")


def _read_size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    try:
        return int(width), int(height or width)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not of the form 6000x4000 or 6000", param_hint="--size"
        ) from None
