"""Liveness and readiness of the server.

Served under the version's prefix and, for orchestrators, at the root.
"""

import shutil

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from service.api.dependencies import Context, ContextDep
from service.api.documentation import RETRY_AFTER
from service.api.metrics import WORKER_SILENCE_S
from service.api.problems import RETRY_AFTER_S
from service.api.schemas import Health, Readiness

router = APIRouter(tags=["operation"])


@router.get("/healthz", summary="Is the server alive")
async def healthz() -> Health:
    """Always `ok`."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Can slides be accepted and analysed",
    responses={
        503: {
            "model": Readiness,
            "description": "Not ready; the members name the cause.",
            "headers": RETRY_AFTER,
        }
    },
)
def readyz(context: ContextDep, response: Response) -> Readiness:
    """200 if the database answers, a worker is alive and the disk has room, else 503."""
    database, worker = _ask_database(context)
    usage = shutil.disk_usage(context.data_dir.root)
    has_room = usage.free > context.settings.min_free_bytes
    is_ready = database and worker and has_room and not context.stopping.is_set()
    if not is_ready:
        response.status_code = 503
        response.headers["Retry-After"] = RETRY_AFTER_S
    return Readiness(ready=is_ready, database=database, worker=worker, disk_space=has_room)


def _ask_database(context: Context) -> tuple[bool, bool]:
    """(whether the database answers, whether a worker is alive)."""
    try:
        return True, context.workers.count_alive(WORKER_SILENCE_S) > 0
    except SQLAlchemyError:
        return False, False
