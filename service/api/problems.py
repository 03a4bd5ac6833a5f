"""Sends every error as application/problem+json, in a way that clients that upload can read.

Owns the exception handlers; the status of each error is in `error_status.py`.
"""

import time
from typing import Any

import anyio
import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.error_status import (
    HTTP_KINDS,
    INTERNAL,
    KINDS,
    ProblemKind,
    kind_of,
    problem,
)
from service.api.middleware.default_headers import DEFAULT_HEADERS
from service.api.middleware.methods import allowed
from service.api.middleware.stop_uploads import POLL_S
from service.errors import CytolibraError, InvalidRequestError

MEDIA_TYPE = "application/problem+json"
DRAIN_TIMEOUT_S = 30.0
RETRY_AFTER_S = "30"
#: Responses with these statuses have Retry-After.
RETRY_STATUSES = (429, 503)

log: structlog.stdlib.BoundLogger = structlog.get_logger("service.api")


class ProblemResponse(Response):
    """A problem response that reads and discards the rest of the request's body.

    Closing a connection on which the client still sends makes the operating system discard the
    response, so that a refused upload would look like a broken connection.
    """

    media_type = MEDIA_TYPE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response, then reads the request to its end."""
        if not _is_sending(scope):
            await super().__call__(scope, receive, send)
            return
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await _discard_body(scope, receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def install(app: FastAPI) -> None:
    """Installs the exception handlers, which answer every error with a problem."""

    @app.exception_handler(CytolibraError)
    async def answer_known_error(request: Request, error: CytolibraError) -> Response:
        return answer(request, kind_of(type(error)), str(error))

    @app.exception_handler(RequestValidationError)
    async def answer_invalid_parameters(
        request: Request, error: RequestValidationError
    ) -> Response:
        details = [_describe(item) for item in error.errors()]
        kind = KINDS[InvalidRequestError]
        return answer(request, kind, "; ".join(details), errors=details)

    @app.exception_handler(HTTPException)
    async def answer_http_error(request: Request, error: HTTPException) -> Response:
        kind = HTTP_KINDS.get(error.status_code)
        if kind is None:
            kind = ProblemKind("http", error.status_code, str(error.detail))
        detail = f"{request.method} {request.url.path}: {error.detail}"
        if error.status_code in (404, 405):
            detail += "; see /docs for the existing addresses"
        response = answer(request, kind, detail)
        response.headers.update(error.headers or {})
        if error.status_code == 405:
            response.headers["Allow"] = allowed(request.scope)
        return response

    @app.exception_handler(Exception)
    async def answer_unexpected_error(request: Request, error: Exception) -> Response:
        log.error("request failed", path=route_of(request), exc_info=error)
        return answer(
            request, INTERNAL, "the request failed unexpectedly; the server's log says why"
        )


def answer(request: Request, kind: ProblemKind, detail: str, **more: Any) -> Response:
    """The response for a problem."""
    body = orjson.dumps(problem(kind, detail, request.url.path, **more))
    # Unexpected errors are answered outside of the middleware that adds these to other responses.
    headers = dict(DEFAULT_HEADERS)
    if kind.status in RETRY_STATUSES:
        headers["Retry-After"] = RETRY_AFTER_S
    return ProblemResponse(body, status_code=kind.status, headers=headers)


def route_of(request: Request) -> str:
    """The path pattern of the route, without ids and names; "unknown" without a route."""
    route = request.scope.get("route")
    return str(getattr(route, "path", "unknown"))


def mark_body_read(request: Request) -> None:
    """Marks a request whose body needs no more reading: it is complete or disconnected."""
    request.scope["cytolibra.body_read"] = True


async def _discard_body(scope: Scope, receive: Receive) -> None:
    """Reads the body to its end, but not for long, and less long once the server is stopping."""
    context: Any = scope["app"].state.context
    is_stopping = False
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while time.monotonic() < deadline:
        if not is_stopping and context.stopping.is_set():
            is_stopping = True
            rest_s = context.settings.shutdown_timeout_s / 2
            deadline = min(deadline, time.monotonic() + rest_s)
        with anyio.move_on_after(POLL_S):
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                return


def _is_sending(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    has_body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
    # A client that sent Expect: 100-continue sends no body after an error response.
    waits = headers.get(b"expect", b"").lower() == b"100-continue"
    return has_body and not waits and not scope.get("cytolibra.body_read", False)


def _describe(item: Any) -> str:
    location = ".".join(str(part) for part in item["loc"])
    return f"{location} = {item.get('input')!r}: {item['msg']}"
