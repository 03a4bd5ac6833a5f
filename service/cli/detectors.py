"""`cytolibra detectors`: what can be named with `--detector`."""

from pathlib import Path
from typing import Annotated

import typer


def detectors(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    extra_dir: Annotated[
        Path | None, typer.Option("--detectors-dir", help="A folder with bundles of your own.")
    ] = None,
) -> None:
    """List the detectors."""
    import orjson
    from rich.console import Console
    from rich.table import Table

    from models.bundle.find import list_detectors

    infos = list_detectors(extra_dir)
    if as_json:
        typer.echo(orjson.dumps(infos, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("name", "classes", "µm/px", "tile px", "engine", "digest")
    for info in infos:
        classes = ", ".join(cell_class.name for cell_class in info.classes)
        spec = info.input
        table.add_row(
            info.name,
            classes,
            f"{spec.mpp}",
            f"{spec.tile_size_px}",
            info.engine,
            info.digest[7:19],
        )
    Console().print(table)
    typer.echo("Engine auto: openvino on a CPU, torch on a GPU or where openvino cannot run it.")
