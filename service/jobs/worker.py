"""The worker process: analyses slides from the queue, one at a time, until it is stopped.

Owns the process: its lock, pid file, heartbeats and end. Killing it is safe at any moment, since
its successor resumes after the last finished group of tiles; stopping just ends the process.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import structlog
from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError

from models.atomic_write import write_text_atomically
from service.catalogue import BundleCatalogue, Catalogue
from service.jobs.durable import (
    POLL_INTERVAL_S,
    QUEUE,
    WORKFLOW,
    prepare_jobs_database,
    worker_config,
)
from service.jobs.loaded_detectors import LoadedDetectors
from service.jobs.running_slides import RunningSlides
from service.jobs.workflow import SlideJob
from service.logs import configure_logs
from service.settings import Settings, read_settings
from service.storage.blobs import open_local_blobs
from service.storage.data_dir import DataDir
from service.storage.database import migrate, open_database, results_url
from service.storage.results import Slides
from service.storage.workers import Workers

HEARTBEAT_S = 1.0
#: Option that the server passes: the worker ends when its standard input closes, with the server.
TIED_TO_PARENT = "--tied-to-parent"

log: structlog.stdlib.BoundLogger = structlog.get_logger("service.jobs")


def run_worker(settings: Settings, catalogue: Catalogue) -> NoReturn:
    """Analyses slides until SIGTERM or SIGINT, then ends the process.

    Raises:
        DataDirectoryBusyError: another worker runs on this data directory.
    """
    data_dir = DataDir(settings.data_dir)
    data_dir.create()
    lock = data_dir.lock("worker")
    write_pid(data_dir.worker_pid)
    engine = open_database(results_url(data_dir.results_db))
    migrate(engine)
    prepare_jobs_database(data_dir.jobs_db)
    slides, workers = Slides(engine), Workers(engine)
    running = RunningSlides()
    job = SlideJob(
        run_step=lambda name, step: DBOS.run_step({"name": name}, step),
        slides=slides,
        blobs=open_local_blobs(data_dir.blobs),
        slides_dir=data_dir.slides,
        detectors=LoadedDetectors(catalogue),
        settings=settings,
        on_start=running.add,
        on_end=running.remove,
    )
    launch(job, settings, data_dir)
    log.info("worker ready", pid=os.getpid())
    beat_until_stopped(workers, settings.worker_id)
    interrupted = running.ids()
    for slide_id in interrupted:
        slides.forgive_start(slide_id)
    workers.leave(settings.worker_id)
    data_dir.worker_pid.unlink(missing_ok=True)
    log.info("worker stopped", interrupted=len(interrupted))
    lock.release()
    end_process()


def launch(job: SlideJob, settings: Settings, data_dir: DataDir) -> None:
    """Starts DBOS in the background: first interrupted slides, then the queue."""
    DBOS(config=worker_config(data_dir.jobs_db, settings.worker_id, settings.log_level))

    # The job limits its own restarts, since it knows whether the last start made progress.
    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
    def analyse(slide_id: str, run: int) -> None:
        job.run(slide_id, run)

    DBOS.launch()
    DBOS.register_queue(
        QUEUE,
        worker_concurrency=1,
        polling_interval_sec=POLL_INTERVAL_S,
        on_conflict="always_update",
    )


def beat_until_stopped(workers: Workers, worker_id: str) -> None:
    """Stores heartbeats; returns after SIGTERM or SIGINT."""
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda _signum, _frame: stop.set())
    while not stop.is_set():
        try:
            workers.beat(worker_id, os.getpid())
        except SQLAlchemyError as error:
            log.warning("heartbeat not written", reason=str(error.__cause__ or error))
        stop.wait(HEARTBEAT_S)


def write_pid(path: Path) -> None:
    """Writes this process's id to `path` atomically."""
    write_text_atomically(path, f"{os.getpid()}\n")


def end_process(status: int = 0) -> NoReturn:
    """Ends the process at once; its threads need not finish, and would delay a shutdown."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def tie_to_parent() -> None:
    """Ends this process as soon as the server ends, even by SIGKILL.

    The server holds the other end of standard input, which closes with the server. On Linux the
    kernel also sends a parent-death signal, which works even if this process hangs in native code.
    """
    if sys.platform == "linux":
        set_parent_death_signal: Callable[[int, int], int] = ctypes.CDLL(None).prctl
        set_parent_death_signal(1, signal.SIGKILL)

    def wait_for_end() -> None:
        while os.read(0, 1):
            pass
        end_process(1)

    threading.Thread(target=wait_for_end, name="parent-watch", daemon=True).start()


def main() -> None:
    """Entry point of the worker that a server starts; reads settings from the environment."""
    if TIED_TO_PARENT in sys.argv:
        tie_to_parent()
    settings = read_settings()
    configure_logs(settings.log_level, "worker")
    run_worker(settings, BundleCatalogue(settings.detectors_dir, settings.engine, settings.device))


if __name__ == "__main__":
    main()
