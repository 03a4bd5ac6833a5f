"""A key returns its first response, and only for the same request."""

import pytest
from sqlalchemy import Engine

from service.errors import IdempotencyConflictError, IdempotencyInFlightError
from service.storage.idempotency import FirstAnswer, IdempotencyKeys


@pytest.fixture
def keys(engine: Engine) -> IdempotencyKeys:
    return IdempotencyKeys(engine)


def test_first_response_is_repeated(keys: IdempotencyKeys) -> None:
    answer = FirstAnswer("digest", 202, {"id": "1"})
    assert keys.claim("k") is None
    keys.answer("k", answer)
    assert keys.claim("k") == answer


def test_other_request_is_refused() -> None:
    with pytest.raises(IdempotencyConflictError, match="'k'"):
        FirstAnswer("digest", 202, {}).check("k", "other")


def test_key_in_flight_is_refused(keys: IdempotencyKeys) -> None:
    keys.claim("k")
    with pytest.raises(IdempotencyInFlightError):
        keys.claim("k")


def test_key_of_a_refused_request_is_free_again(keys: IdempotencyKeys) -> None:
    keys.claim("k")
    keys.release("k")
    assert keys.claim("k") is None


def test_answered_key_is_not_released(keys: IdempotencyKeys) -> None:
    keys.claim("k")
    keys.answer("k", FirstAnswer("digest", 202, {}))
    keys.release("k")
    assert keys.claim("k") is not None


def test_key_held_by_a_crashed_server_is_freed(keys: IdempotencyKeys) -> None:
    keys.claim("k")
    keys.forget_stale()
    assert keys.claim("k") is None
