"""Logging: one JSON object a line on standard error.

No line may identify a patient: slides are logged by id, without file name and accession.
"""

import logging
import sys

import structlog
from structlog.typing import Processor

#: Libraries that log single requests or steps at level INFO.
QUIET = ("uvicorn", "httpx", "httpcore", "alembic", "dbos")


def configure_logs(level: str, process: str) -> None:
    """Sends records of structlog and of the standard library to standard error as JSON.

    Args:
        level: least severe level, e.g. "INFO".
        process: "server" or "worker"; a member of every line.
    """

    def name_process(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["process"] = process
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        name_process,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
