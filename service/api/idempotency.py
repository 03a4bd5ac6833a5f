"""Idempotency-Key over HTTP: a request holds its key while it is in flight.

Owns the hold; keys and responses are stored by `service/storage/idempotency.py`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.api.teardown import run_to_the_end
from service.storage.idempotency import FirstAnswer, IdempotencyKeys


class KeyHold:
    """A key that a request holds, and the response to an earlier request with that key.

    Args:
        keys: where keys are stored.
        key: None for a request without a key, for which all methods have no effect.
        first: the response to an earlier request with this key, or None.
    """

    def __init__(self, keys: IdempotencyKeys, key: str | None, first: FirstAnswer | None) -> None:
        self._keys = keys
        self._key = key
        self._first = first

    def repeat(self, request_digest: str) -> FirstAnswer | None:
        """The response to the first request if this request repeats it, else None.

        Raises:
            IdempotencyConflictError: the first request had a different digest.
        """
        if self._first is not None and self._key is not None:
            self._first.check(self._key, request_digest)
        return self._first

    def store(self, answer: FirstAnswer) -> None:
        """Stores the response for repeated requests."""
        if self._key is not None:
            self._keys.answer(self._key, answer)


@asynccontextmanager
async def holding_key(keys: IdempotencyKeys, key: str | None) -> AsyncIterator[KeyHold]:
    """A hold of the key, which is released if the request is refused or cancelled.

    Raises:
        IdempotencyInFlightError: another request holds the key.
    """
    if key is None:
        yield KeyHold(keys, None, None)
        return
    # A claim that completes after its request was cancelled would hold the key for ever.
    first = await run_to_the_end(keys.claim, key)
    try:
        yield KeyHold(keys, key, first)
    except BaseException:
        if first is None:
            await run_to_the_end(keys.release, key)
        raise
