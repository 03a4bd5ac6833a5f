"""`cytolibra serve`: the HTTP service and its worker on one data directory."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    data: Annotated[Path, typer.Option(help="Folder for slides, results and jobs.")],
    host: Annotated[str | None, typer.Option(help="Where to listen [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes a free one [8000].")] = None,
    with_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Keep a worker; else run `cytolibra work`.")
    ] = True,
    detectors_dir: Annotated[
        Path | None, typer.Option(help="Folder with further detector bundles.")
    ] = None,
) -> None:
    """Serve the HTTP API, with a worker that is started again if it dies. Stop it with Ctrl-C."""
    from service.api.server import run_server
    from service.catalogue import BundleCatalogue
    from service.logs import configure_logs
    from service.settings import read_settings

    settings = read_settings(
        data_dir=data,
        host=host,
        port=port,
        with_worker=None if with_worker else False,
        detectors_dir=detectors_dir,
    )
    configure_logs(settings.log_level, "server")
    run_server(settings, BundleCatalogue(settings.detectors_dir))
