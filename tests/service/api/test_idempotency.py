"""A key is held while a request is worked on, and the event loop never waits for the database."""

import asyncio
import threading
import time
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Engine

from service.api.idempotency import holding_key
from service.errors import IdempotencyConflictError, IdempotencyInFlightError, QueueFullError
from service.storage.database import migrate, open_database, results_url
from service.storage.idempotency import FirstAnswer, IdempotencyKeys

SLOWNESS_S = 0.3


class SlowKeys(IdempotencyKeys):
    """Of a database that others keep busy; notes the threads that it is asked in."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.threads: set[int] = set()

    def claim(self, key: str) -> FirstAnswer | None:
        self._wait()
        return super().claim(key)

    def release(self, key: str) -> None:
        self._wait()
        super().release(key)

    def _wait(self) -> None:
        self.threads.add(threading.get_ident())
        time.sleep(SLOWNESS_S)


@pytest.fixture
def keys(tmp_path: Path) -> SlowKeys:
    engine = open_database(results_url(tmp_path / "results.sqlite"))
    migrate(engine)
    return SlowKeys(engine)


async def longest_pause_s(stop: asyncio.Event) -> float:
    """The longest time for which the event loop did nothing else."""
    longest_s, before_s = 0.0, time.monotonic()
    while not stop.is_set():
        await asyncio.sleep(0.005)
        now_s = time.monotonic()
        longest_s, before_s = max(longest_s, now_s - before_s), now_s
    return longest_s


def test_refused_request_lets_go_without_holding_up_others(keys: SlowKeys) -> None:
    async def refuse() -> None:
        async with holding_key(keys, "k"):
            raise QueueFullError("full")

    async def run() -> float:
        stop = asyncio.Event()
        pauses = asyncio.create_task(longest_pause_s(stop))
        with pytest.raises(QueueFullError):
            await refuse()
        stop.set()
        return await pauses

    assert asyncio.run(run()) < SLOWNESS_S
    assert threading.get_ident() not in keys.threads
    assert keys.claim("k") is None


@pytest.mark.parametrize("teardown_s", [SLOWNESS_S / 3, SLOWNESS_S * 2])
def test_request_that_is_torn_down_lets_go(keys: SlowKeys, teardown_s: float) -> None:
    """While it claims the key, and while it works."""

    async def work() -> None:
        async with holding_key(keys, "k"):
            await asyncio.sleep(3600)

    async def run() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await asyncio.sleep(teardown_s)
            group.cancel_scope.cancel()

    asyncio.run(run())
    assert threading.get_ident() not in keys.threads
    assert keys.claim("k") is None


def test_answer_is_given_again_only_to_the_same_request(keys: SlowKeys) -> None:
    async def run() -> None:
        answer = FirstAnswer("digest", 202, {"id": "1"})
        async with holding_key(keys, "k") as hold:
            assert hold.repeat("digest") is None
            with pytest.raises(IdempotencyInFlightError):
                keys.claim("k")
            hold.store(answer)
        async with holding_key(keys, "k") as hold:
            assert hold.repeat("digest") == answer
        with pytest.raises(IdempotencyConflictError):
            async with holding_key(keys, "k") as hold:
                hold.repeat("other")
        async with holding_key(keys, "k") as hold:
            assert hold.repeat("digest") == answer

    asyncio.run(run())


def test_request_without_a_key_asks_no_database(keys: SlowKeys) -> None:
    async def run() -> None:
        async with holding_key(keys, None) as hold:
            assert hold.repeat("digest") is None
            hold.store(FirstAnswer("digest", 202, {}))

    asyncio.run(run())
    assert keys.threads == set()
