"""Whether the server lives, and whether it can take slides.

Served under /v1 and, for orchestrators that look there, at the root.
"""

import shutil

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from service.api.dependencies import Context, ContextDep
from service.api.metrics import WORKER_SILENCE_S
from service.api.schemas import Health, Readiness

router = APIRouter(tags=["operation"])


@router.get("/healthz", summary="Is the server alive")
async def healthz() -> Health:
    """Always `ok`, for as long as there is someone to say so."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Can slides be taken and worked on",
    responses={503: {"model": Readiness, "description": "Not now; the members say why."}},
)
def readyz(context: ContextDep, response: Response) -> Readiness:
    """200 if the database answers, a worker lives and the disk has room, else 503."""
    database, worker = _ask_database(context)
    usage = shutil.disk_usage(context.data_dir.root)
    has_room = usage.free > context.settings.min_free_bytes
    is_ready = database and worker and has_room and not context.stopping.is_set()
    response.status_code = 200 if is_ready else 503
    return Readiness(ready=is_ready, database=database, worker=worker, disk_space=has_room)


def _ask_database(context: Context) -> tuple[bool, bool]:
    """Whether the database answers, and whether a worker lives."""
    try:
        return True, context.workers.count_alive(WORKER_SILENCE_S) > 0
    except SQLAlchemyError:
        return False, False
