"""Logs and times every request by its route pattern.

The full URL is not logged: file names and accession numbers in it may identify a patient.
"""

import logging
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.metrics import Metrics
from service.api.middleware.methods import ROUTED

log: structlog.stdlib.BoundLogger = structlog.get_logger("service.api")


class RequestLog:
    """ASGI middleware that logs and measures requests."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, then logs its status and duration."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s, status = time.monotonic(), 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            self._note(scope, status, time.monotonic() - started_s)

    def _note(self, scope: Scope, status: int, duration_s: float) -> None:
        route = str(getattr(scope.get("route"), "path", "unknown"))
        # Clients may send any word as method; only those of HTTP become labels.
        method = scope["method"] if scope["method"] in (*ROUTED, "HEAD", "OPTIONS") else "other"
        method = method if route != "unknown" else "unknown"
        self._metrics.requests.labels(method, route, str(status)).observe(duration_s)
        # Clients poll the status of slides often; successful reads are logged at level DEBUG.
        is_important = method not in ("GET", "HEAD") or status >= 400
        # An unknown id is arbitrary text from the client, and is not logged.
        is_known = status < 400 and "slide_id" in scope.get("path_params", {})
        log.log(
            logging.INFO if is_important else logging.DEBUG,
            "request",
            method=method,
            route=route,
            status=status,
            duration_s=round(duration_s, 4),
            slide=scope["path_params"]["slide_id"] if is_known else None,
        )
