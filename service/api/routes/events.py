"""Status of a slide as server-sent events."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from service.api.dependencies import Context, ContextDep, SlideDep
from service.api.documentation import problems
from service.api.links import RootDep
from service.api.schemas import SlideStatus, slide_status
from service.api.version import SLIDES_PATH
from service.errors import SlideNotFoundError

router = APIRouter(prefix=SLIDES_PATH, tags=["slides"])

POLL_INTERVAL_S = 0.5


@router.get(
    "/{slide_id}/events",
    summary="Follow a slide",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "An event `status` with the slide's status for every change.",
            "content": {
                "text/event-stream": {
                    "example": 'event: status\ndata: {"status": "running", "progress": 0.42}\n\n'
                }
            },
        },
        **problems(SlideNotFoundError),
    },
)
async def follow_slide(
    context: ContextDep, slide: SlideDep, root: RootDep
) -> AsyncIterator[ServerSentEvent]:
    """Sends the current status and every change of it, until done, failed or cancelled."""
    last_sent: SlideStatus | None = None
    while not context.stopping.is_set():
        try:
            status = await run_in_threadpool(_read, context, slide.id, root)
        except SlideNotFoundError:
            yield ServerSentEvent(event="deleted", data={"id": slide.id})
            return
        if status != last_sent:
            yield ServerSentEvent(event="status", data=status.model_dump(mode="json"))
        if status.status.is_final:
            return
        last_sent = status
        await asyncio.sleep(POLL_INTERVAL_S)


def _read(context: Context, slide_id: str, root: str) -> SlideStatus:
    return slide_status(context.slides.get(slide_id), context.slides, root)
