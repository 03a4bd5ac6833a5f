"""Runs functions to completion even if their request is cancelled.

Owns the way: in a thread, so that disk and database do not block the event loop, and shielded.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio
from starlette.concurrency import run_in_threadpool

P = ParamSpec("P")
T = TypeVar("T")


async def run_to_the_end(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of `function`, which is completed and awaited even if the request is cancelled.

    A stopping server does not wait for it; the next start cleans up.
    """
    with anyio.CancelScope(shield=True):
        result = await run_in_threadpool(function, *args, **kwargs)
    return result  # noqa: RET504  # for mypy a scope may swallow errors
