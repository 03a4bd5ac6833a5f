"""Ends uploads when the server stops, so that clients get a response instead of a reset.

Owns interrupting the body; `problems.py` makes the response, 503 with Retry-After.
"""

import threading

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ServerStoppingError

POLL_S = 0.2
WITH_BODY = ("POST", "PUT", "PATCH")


class StopUploads:
    """ASGI middleware that interrupts request bodies.

    Args:
        app: next application.
        stopping: set when the server begins to stop.
    """

    def __init__(self, app: ASGIApp, stopping: threading.Event) -> None:
        self._app = app
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on with a body that raises an error when the server stops."""
        if scope["type"] != "http" or scope["method"] not in WITH_BODY:
            await self._app(scope, receive, send)
            return
        body = StoppableBody(receive, self._stopping)

        async def send_response(message: Message) -> None:
            body.stop_watching()
            await send(message)

        await self._app(scope, body, send_response)


class StoppableBody:
    """A request's body, which raises an error once the server is stopping.

    The error is raised only once, and not after the response has begun, since a second response
    would break the connection; the body can still be read then, to discard it.
    """

    def __init__(self, receive: Receive, stopping: threading.Event) -> None:
        self._receive = receive
        self._stopping = stopping
        self._is_watched = True

    def stop_watching(self) -> None:
        """From now on, no error is raised."""
        self._is_watched = False

    async def __call__(self) -> Message:
        """The next message of the body.

        Raises:
            ServerStoppingError: the server stops before the body has ended.
        """
        while self._is_watched:
            if self._stopping.is_set():
                self._is_watched = False
                raise ServerStoppingError(
                    "the server is stopping and has not kept the upload; send it again"
                )
            with anyio.move_on_after(POLL_S):
                message = await self._receive()
                self._is_watched = bool(message.get("more_body", False))
                return message
        return await self._receive()
