"""The FastAPI application, put together from its parts.

Owns what is shown on the OpenAPI page and in which order; every call is a file in `routes/`.
"""

from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from service.api import problems
from service.api.dependencies import Context
from service.api.documentation import add_samples
from service.api.page import draw_page
from service.api.request_log import RequestLog
from service.api.routes import detectors, events, health, metrics, results, slides
from service.api.schemas import Problem

DESCRIPTION = """
Takes a cervical cytology whole-slide image and gives back how many cells of each Bethesda class it
shows, an abnormality score, and every cell as GeoJSON.

**Research software, for review by a cytologist; not a diagnosis.**

1. `POST /v1/slides` with the slide; the answer has the slide's `id` and `links`.
2. `GET /v1/slides/{id}` until `status` is `done`, or follow `/v1/slides/{id}/events`.
3. `GET /v1/slides/{id}/report` and `/annotations`.

All coordinates are level-0 pixels, origin top left of the slide. Errors are RFC 9457
`application/problem+json`; their `type` is stable.
"""

TAGS = [
    {"name": "slides", "description": "Send slides and see how they stand."},
    {"name": "results", "description": "What was found in a slide that is done."},
    {"name": "detectors", "description": "What slides are analysed with."},
    {"name": "operation", "description": "For those who run the server."},
]


def create_app(context: Context) -> FastAPI:
    """The application on these parts."""
    app = FastAPI(
        title="CytoLibra",
        version=version("cytolibra"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": {"model": Problem, "description": "Any other error."}},
    )
    app.state.context = context
    problems.install(app)
    for router in (slides.router, events.router, results.router, detectors.router):
        app.include_router(router)
    for router in (health.router, metrics.router):
        app.include_router(router, prefix="/v1")
        app.include_router(router, include_in_schema=False)
    app.add_api_route("/", _to_docs, include_in_schema=False)
    app.add_api_route("/docs", _docs, include_in_schema=False, response_class=HTMLResponse)
    app.add_middleware(RequestLog, metrics=context.metrics)
    # FastAPI makes the schema once and keeps it, so that what is added here stays.
    add_samples(app.openapi())
    return app


def _docs(request: Request) -> HTMLResponse:
    """The OpenAPI page."""
    return HTMLResponse(draw_page(request.app.openapi()))


async def _to_docs() -> RedirectResponse:
    """Someone who opens the server in a browser gets its page."""
    return RedirectResponse("/docs")
