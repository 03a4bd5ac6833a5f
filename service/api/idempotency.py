"""Idempotency-Key over HTTP: a request holds its key while it is worked on.

Owns the hold; keys and answers are kept by `service/storage/idempotency.py`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.api.teardown import run_to_the_end
from service.storage.idempotency import FirstAnswer, IdempotencyKeys


class KeyHold:
    """A key that one request holds, and what was answered to it before.

    Args:
        key: None for a request without one, for which this does nothing.
        first: the answer to an earlier request with this key.
    """

    def __init__(self, keys: IdempotencyKeys, key: str | None, first: FirstAnswer | None) -> None:
        self._keys = keys
        self._key = key
        self._first = first

    def repeat(self, request_digest: str) -> FirstAnswer | None:
        """The first answer to this same request, if this is a repetition.

        Raises:
            IdempotencyConflictError: the first was another request.
        """
        if self._first is not None and self._key is not None:
            self._first.check(self._key, request_digest)
        return self._first

    def keep(self, answer: FirstAnswer) -> None:
        """Keeps the answer for repetitions."""
        if self._key is not None:
            self._keys.answer(self._key, answer)


@asynccontextmanager
async def holding_key(keys: IdempotencyKeys, key: str | None) -> AsyncIterator[KeyHold]:
    """The hold of a key, which is free again if the request is refused or torn down.

    Raises:
        IdempotencyInFlightError: another request holds it.
    """
    if key is None:
        yield KeyHold(keys, None, None)
        return
    # A claim that nobody waits for any more would hold the key for ever.
    first = await run_to_the_end(keys.claim, key)
    try:
        yield KeyHold(keys, key, first)
    except BaseException:
        if first is None:
            await run_to_the_end(keys.release, key)
        raise
