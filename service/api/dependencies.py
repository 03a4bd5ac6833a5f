"""The context of all routes, created once at the server's start.

Owns the context and the dependencies by which routes get it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi import Path as PathParameter

from service.api.metrics import Metrics
from service.catalogue import Catalogue
from service.errors import SlideNotFoundError
from service.jobs.client import JobQueue
from service.pipeline.slide import check_slide
from service.pipeline.types import SlideInfo
from service.settings import Settings
from service.storage.blobs import Blobs
from service.storage.data_dir import DataDir
from service.storage.idempotency import IdempotencyKeys
from service.storage.results import Slides
from service.storage.tables import Slide
from service.storage.workers import Workers


@dataclass(frozen=True)
class Context:
    """Settings, stores and services of the server.

    Attributes:
        check: opens and closes a slide; an error refuses it.
        stopping: set when the server begins to stop, so that event streams end.
    """

    settings: Settings
    data_dir: DataDir
    slides: Slides
    keys: IdempotencyKeys
    workers: Workers
    blobs: Blobs
    jobs: JobQueue
    catalogue: Catalogue
    metrics: Metrics
    check: Callable[[Path, float | None], SlideInfo] = check_slide
    stopping: threading.Event = field(default_factory=threading.Event)


def get_context(request: Request) -> Context:
    """The context of the app that handles the request."""
    context: Context = request.app.state.context
    return context


ContextDep = Annotated[Context, Depends(get_context)]


def get_slide(
    context: ContextDep,
    slide_id: Annotated[str, PathParameter(description="`id` in the response to the upload.")],
) -> Slide:
    """The slide whose id is in the path.

    Raises:
        SlideNotFoundError: no slide has this id.
    """
    if "\x00" in slide_id:
        raise SlideNotFoundError("slide ids hold no null characters")
    return context.slides.get(slide_id)


SlideDep = Annotated[Slide, Depends(get_slide)]
