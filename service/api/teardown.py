"""Acts that must be done to their end, also for a request that is being torn down.

Owns how: in a thread, so that neither disk nor database holds up the event loop, and shielded.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio
from starlette.concurrency import run_in_threadpool

P = ParamSpec("P")
T = TypeVar("T")


async def run_to_the_end(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `act` gives; cancelling the request does not keep it from being done and waited for.

    A server that stops does not wait; what it leaves undone is put right at its next start.
    """
    with anyio.CancelScope(shield=True):
        given = await run_in_threadpool(act, *args, **kwargs)
    return given  # noqa: RET504  # for mypy a scope may swallow errors
