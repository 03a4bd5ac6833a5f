"""Whether the server lives, and whether it can take slides.

Served under the version's prefix and, for orchestrators that look there, at the root.
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
    """Always `ok`; a server that is dead gives no answer."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Can slides be taken and worked on",
    responses={
        503: {
            "model": Readiness,
            "description": "Not now; the members say why.",
            "headers": RETRY_AFTER,
        }
    },
)
def readyz(context: ContextDep, response: Response) -> Readiness:
    """200 if the database answers, a worker lives and the disk has room, else 503."""
    database, worker = _ask_database(context)
    usage = shutil.disk_usage(context.data_dir.root)
    has_room = usage.free > context.settings.min_free_bytes
    is_ready = database and worker and has_room and not context.stopping.is_set()
    if not is_ready:
        response.status_code = 503
        response.headers["Retry-After"] = RETRY_AFTER_S
    return Readiness(ready=is_ready, database=database, worker=worker, disk_space=has_room)


def _ask_database(context: Context) -> tuple[bool, bool]:
    """Whether the database answers, and whether a worker lives."""
    try:
        return True, context.workers.count_alive(WORKER_SILENCE_S) > 0
    except SQLAlchemyError:
        return False, False
