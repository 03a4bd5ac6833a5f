"""The server process: API and worker on one data directory, from start to clean stop.

Owns the order in which resources are opened and closed; `service/cli/serve.py` calls it.
"""

import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import FrameType

import structlog
import uvicorn

from service.api.app import create_app
from service.api.dependencies import Context
from service.api.metrics import Metrics
from service.catalogue import Catalogue
from service.errors import PortInUseError
from service.jobs.client import JobQueue
from service.jobs.durable import prepare_jobs_database
from service.jobs.keeper import WORKER_COMMAND, run_worker_beside
from service.settings import Settings
from service.storage.blobs import SLIDES_PREFIX, open_local_blobs, slide_prefix
from service.storage.data_dir import DataDir
from service.storage.database import migrate, open_database, results_url
from service.storage.idempotency import IdempotencyKeys
from service.storage.results import Slides
from service.storage.tallies import Tallies
from service.storage.workers import Workers

BACKLOG = 128

log: structlog.stdlib.BoundLogger = structlog.get_logger("service.api")


def run_server(
    settings: Settings, catalogue: Catalogue, worker_command: Sequence[str] = WORKER_COMMAND
) -> None:
    """Serves until SIGTERM or SIGINT, beside a worker that is restarted if it dies.

    Raises:
        DataDirectoryBusyError: another server runs on this data directory.
        PortInUseError: the address is in use.
    """
    data_dir = DataDir(settings.data_dir)
    data_dir.create()
    lock = data_dir.lock("server")
    listener = listen(settings.host, settings.port)
    try:
        with open_context(settings, catalogue) as context:
            sweep(context)
            with (
                run_worker_beside(settings, worker_command)
                if settings.with_worker
                else nullcontext()
            ):
                host, port = listener.getsockname()[:2]
                log.info("listening", url=f"http://{host}:{port}")
                serve(context, listener)
    finally:
        listener.close()
        lock.release()
    log.info("server stopped")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on host and port.

    Raises:
        PortInUseError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortInUseError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --port or --host"
        ) from error
    return listener


@contextmanager
def open_context(settings: Settings, catalogue: Catalogue) -> Iterator[Context]:
    """The server's context, with migrated databases; closed when the `with` block ends."""
    data_dir = DataDir(settings.data_dir)
    engine = open_database(results_url(data_dir.results_db))
    migrate(engine)
    prepare_jobs_database(data_dir.jobs_db)
    jobs = JobQueue(data_dir.jobs_db)
    slides, workers = Slides(engine), Workers(engine)
    try:
        yield Context(
            settings=settings,
            data_dir=data_dir,
            slides=slides,
            keys=IdempotencyKeys(engine),
            workers=workers,
            blobs=open_local_blobs(data_dir.blobs),
            jobs=jobs,
            catalogue=catalogue,
            metrics=Metrics(slides, Tallies(engine), workers),
        )
    finally:
        jobs.close()
        engine.dispose()


def sweep(context: Context) -> None:
    """Cleans up after a server that was killed: files without slides, keys, unqueued slides."""
    for part in context.data_dir.uploads.iterdir():
        part.unlink()
    stored_names = context.slides.stored_names()
    for file in context.data_dir.slides.iterdir():
        if file.name not in stored_names:
            file.unlink()
    for slide_id in context.blobs.folders(SLIDES_PREFIX) - context.slides.ids():
        context.blobs.delete_all(slide_prefix(slide_id))
    context.keys.forget_stale()
    context.jobs.put_all_waiting(context.slides)


def serve(context: Context, listener: socket.socket) -> None:
    """Answers requests until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        create_app(context),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=context.settings.shutdown_timeout_s,
        server_header=False,
        # `middleware/proxy.py` reads the headers of proxies.
        proxy_headers=False,
    )
    # After its shutdown, uvicorn raises the signal again, for the previous handler.
    previous_handlers = {
        signum: signal.signal(signum, _ignore) for signum in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        _Server(config, context).run(sockets=[listener])
    finally:
        for signum, handler in previous_handlers.items():
            signal.signal(signum, handler)


class _Server(uvicorn.Server):
    """Sets `Context.stopping` on a signal, so that event streams end."""

    def __init__(self, config: uvicorn.Config, context: Context) -> None:
        super().__init__(config)
        self._context = context

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handles SIGTERM and SIGINT."""
        self._context.stopping.set()
        super().handle_exit(sig, frame)


def _ignore(_signum: int, _frame: FrameType | None) -> None:
    """Does nothing: the server is already stopping."""
