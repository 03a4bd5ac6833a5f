"""Creates the FastAPI application from routes and middleware.

Owns the title, description and order of the OpenAPI page; the operations are in `routes/`.
"""

from importlib.metadata import version

from fastapi import Depends, FastAPI

from service.api import problems
from service.api.dependencies import Context
from service.api.documentation import complete_schema
from service.api.known_query import refuse_unknown_query
from service.api.middleware.default_headers import DefaultHeaders
from service.api.middleware.methods import Methods
from service.api.middleware.proxy import Proxy
from service.api.middleware.request_log import RequestLog
from service.api.middleware.stop_uploads import StopUploads
from service.api.routes import detectors, docs, events, health, metrics, results, slides
from service.api.version import PREFIX, SLIDES_PATH, VERSION

DESCRIPTION = f"""
Analyses a cervical cytology whole-slide image: returns the number of cells of each Bethesda class,
an abnormality score, and every cell as GeoJSON.

**Research software, for review by a cytologist; not a diagnosis.**

1. `POST {SLIDES_PATH}` with the slide; the response has the slide's `id` and `links`.
2. `GET {SLIDES_PATH}/{{id}}` until `status` is `done`, or follow `/events`.
3. `GET {SLIDES_PATH}/{{id}}/report` and `/annotations`.

All coordinates are level-0 pixels, origin top left of the slide. Errors are RFC 9457
`application/problem+json`; their `type` is stable.

This is version `{VERSION}` of the API.
"""

TAGS = [
    {"name": "slides", "description": "Send slides and get their status."},
    {"name": "results", "description": "Results of slides whose status is done."},
    {"name": "detectors", "description": "Detectors that analyse slides."},
    {"name": "operation", "description": "Health and metrics, for operators of the server."},
]


def create_app(context: Context) -> FastAPI:
    """The application, which works on `context`."""
    app = FastAPI(
        title="CytoLibra",
        version=version("cytolibra"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.context = context
    problems.install(app)
    strict = [Depends(refuse_unknown_query)]
    for router in (slides.router, events.router, results.router, detectors.router):
        app.include_router(router, dependencies=strict)
    for router in (health.router, metrics.router):
        app.include_router(router, prefix=PREFIX, dependencies=strict)
        # Outside of the version, probes and scrapers may add parameters of their own.
        app.include_router(router, include_in_schema=False)
    app.include_router(docs.router)
    _add_middleware(app, context)
    # FastAPI caches the schema, so that these additions stay.
    complete_schema(app.openapi())
    return app


def _add_middleware(app: FastAPI, context: Context) -> None:
    """Adds the middleware; a request passes them in reverse order, the last added first."""
    settings = context.settings
    app.add_middleware(StopUploads, stopping=context.stopping)
    app.add_middleware(Methods)
    app.add_middleware(RequestLog, metrics=context.metrics)
    app.add_middleware(Proxy, root_path=settings.root_path, trusted=settings.trusted_proxies)
    app.add_middleware(DefaultHeaders)
