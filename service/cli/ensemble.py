"""`cytolibra ensemble`: several trained detectors as one."""

from pathlib import Path
from typing import Annotated

import typer


def ensemble(
    bundles: Annotated[list[str], typer.Argument(help="Names or folders of two or more bundles.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the new bundle.")],
    name: Annotated[str, typer.Option(help="The new detector's name.")] = "ensemble",
) -> None:
    """Put networks of one kind, trained with other seeds or folds, together to one detector."""
    from models.bundle.combine import combine_bundles

    combine_bundles(bundles, output, name)
    typer.echo(f"detector: {output}")
    typer.echo("Its thresholds are those of the first: cytolibra calibrate chooses its own.")
