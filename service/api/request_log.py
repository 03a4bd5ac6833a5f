"""Logs and times every request, by route and not by address.

Addresses hold file names and accession numbers, which may name a patient.
"""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.metrics import Metrics

QUIET_ROUTES = ("/healthz", "/readyz", "/metrics", "/v1/healthz", "/v1/readyz", "/v1/metrics")

log: structlog.stdlib.BoundLogger = structlog.get_logger("service.api")


class RequestLog:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on and notes how it went."""
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
        method = scope["method"] if route != "unknown" else "unknown"
        self._metrics.requests.labels(method, route, str(status)).observe(duration_s)
        if route not in QUIET_ROUTES:
            slide = scope.get("path_params", {}).get("slide_id")
            log.info(
                "request",
                method=method,
                route=route,
                status=status,
                duration_s=round(duration_s, 4),
                slide=slide,
            )
