"""HEAD for every route with GET, OPTIONS for every route, and complete Allow headers.

Owns those three; routes declare only GET, POST and DELETE.
"""

from collections.abc import Iterable

import anyio
from fastapi import FastAPI
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Methods that a route may declare.
ROUTED = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: Keys of the scope that a router sets for the chosen route.
ROUTE_KEYS = ("route", "endpoint", "path_params")


class Methods:
    """ASGI middleware that answers HEAD and OPTIONS."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers HEAD by the headers of GET, and OPTIONS by Allow; passes on all other methods."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            await self._answer_head(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "OPTIONS" and (allow := allowed(scope)):
            await Response(status_code=204, headers={"Allow": allow})(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the GET until it has sent its headers, then cancels it."""
        # Ranges are defined for GET alone (RFC 9110 14.2).
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        get_scope = {**scope, "method": "GET", "headers": headers}
        with anyio.CancelScope() as rest:

            async def send_head(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    rest.cancel()

            await self._app(get_scope, receive, send_head)
        scope.update({key: get_scope[key] for key in ROUTE_KEYS if key in get_scope})


def allowed(scope: Scope) -> str:
    """Value of Allow for the path of a request; "" if no route matches it."""
    if scope["path"] == "*":
        return ", ".join([*ROUTED, "HEAD", "OPTIONS"])
    app: FastAPI = scope["app"]
    methods = [method for method in ROUTED if _is_routed(app.routes, {**scope, "method": method})]
    if "GET" in methods:
        methods.append("HEAD")
    return ", ".join([*methods, "OPTIONS"]) if methods else ""


def _is_routed(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in routes)
