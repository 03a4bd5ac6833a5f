"""`cytolibra work`: a worker alone, on the data directory of a server that runs without one."""

from pathlib import Path
from typing import Annotated

import typer


def work(
    data: Annotated[Path, typer.Option(help="The server's data directory.")],
    worker_id: Annotated[
        str | None, typer.Option(help="Unique among workers, the same after a restart [worker-1].")
    ] = None,
    detectors_dir: Annotated[
        Path | None, typer.Option(help="Folder with further detector bundles.")
    ] = None,
) -> None:
    """Work on queued slides until stopped with Ctrl-C."""
    from service.catalogue import BundleCatalogue
    from service.jobs.worker import run_worker
    from service.logs import configure_logs
    from service.settings import read_settings

    settings = read_settings(data_dir=data, worker_id=worker_id, detectors_dir=detectors_dir)
    configure_logs(settings.log_level, "worker")
    catalogue = BundleCatalogue(settings.detectors_dir, settings.engine, settings.device)
    run_worker(settings, catalogue)
