"""A worker counts as alive while its heartbeats are recent."""

from sqlalchemy import Engine

from service.storage.workers import Workers


def test_worker_is_alive_until_it_leaves(engine: Engine) -> None:
    workers = Workers(engine)
    assert workers.count_alive(10) == 0
    workers.beat("worker-1", 1)
    workers.beat("worker-1", 2)
    assert workers.count_alive(10) == 1
    workers.leave("worker-1")
    assert workers.count_alive(10) == 0


def test_silent_worker_is_not_alive(engine: Engine) -> None:
    workers = Workers(engine)
    workers.beat("worker-1", 1)
    assert workers.count_alive(-1) == 0
