"""Migrating an older data directory preserves every slide and result."""

import hashlib
import json
import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from alembic import command
from alembic.operations import Operations
from sqlalchemy import Engine, text

from service.storage.database import alembic_config, migrate, open_database, results_url
from service.storage.new_slide import NewSlide
from service.storage.results import Slides
from service.storage.tables import Slide

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Engine]:
    """A results database of the first version."""
    engine = database_at(tmp_path, "0001")
    yield engine
    engine.dispose()


def database_at(folder: Path, revision: str) -> Engine:
    """A results database of that revision; an empty one for "base"."""
    engine = open_database(results_url(folder / "old.sqlite"))
    config = alembic_config()
    if revision != "base":
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    return engine


def put(engine: Engine, slide_id: str, accession: str | None, status: str = "queued") -> str:
    """The identity of a slide, which is added as the first version added it."""
    parts = ["a" * 64, "sha256:0", 0.5, accession]
    identity = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    with engine.begin() as connection:
        order = connection.execute(text("SELECT count(*) FROM slides")).scalar_one()
        connection.execute(
            text(
                "INSERT INTO slides (id, identity, sha256, detector, detector_digest, mpp,"
                " accession, stored_name, size_bytes, status, run, stalled_starts,"
                " cancel_requested, tiles_done, tiles_total, created_at, queued_at)"
                " VALUES (:id, :identity, :sha256, 'default', 'sha256:0', 0.5, :accession, :id, 1,"
                " :status, 1, 0, 0, 0, 0, :time, :time)"
            ),
            {
                "id": slide_id,
                "identity": identity,
                "sha256": "a" * 64,
                "accession": accession,
                "status": status,
                "time": (START + timedelta(hours=order)).strftime("%Y-%m-%d %H:%M:%S.%f"),
            },
        )
    return identity


def find_slide_of_repeated_upload(engine: Engine, accession: str | None) -> Slide | None:
    new = NewSlide("new", "a" * 64, "default", "sha256:0", 0.5, accession, "slide.svs", ".svs", 1)
    return Slides(engine).find(new.identity)


def test_accession_is_normalised_with_its_identity(old: Engine) -> None:
    put(old, "1", " C26-1 ")
    identity = put(old, "2", "C26-2")
    migrate(old)
    repeated = find_slide_of_repeated_upload(old, "C26-1")
    assert repeated is not None
    assert (repeated.id, repeated.accession) == ("1", "C26-1")
    assert Slides(old).get("2").identity == identity


def test_accession_without_a_visible_character_becomes_none(old: Engine) -> None:
    put(old, "1", " \x00\N{ZERO WIDTH SPACE} ")
    migrate(old)
    repeated = find_slide_of_repeated_upload(old, None)
    assert repeated is not None
    assert (repeated.id, repeated.accession) == ("1", None)


@pytest.mark.parametrize(
    ("slides", "recognised_id"),
    [
        ([("C26-1", "queued"), (" C26-1", "done"), ("C26-1\t", "failed")], "1"),
        ([("C26-1", "done"), (" C26-1", "done")], "0"),
        ([(" C26-1", "failed"), ("C26-1 ", "queued")], "1"),
        ([("C26\x07-1", "running"), ("C26-1", "cancelled")], "0"),
        ([("", "done"), (None, "queued")], "0"),
    ],
)
def test_all_slides_of_an_accession_stay(
    old: Engine, slides: list[tuple[str | None, str]], recognised_id: str
) -> None:
    for index, (accession, status) in enumerate(slides):
        put(old, str(index), accession, status)
    migrate(old)
    migrated = Slides(old).page(None, None, 10).slides
    assert {slide.id: slide.status for slide in migrated} == {
        str(index): status for index, (_, status) in enumerate(slides)
    }
    assert len({slide.accession for slide in migrated}) == 1
    repeated = find_slide_of_repeated_upload(old, migrated[0].accession)
    assert repeated is not None
    assert repeated.id == recognised_id


@pytest.mark.parametrize("revision", ["base", "0001", "0002"])
def test_migration_that_is_interrupted_changes_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    engine = database_at(tmp_path, revision)
    if revision != "base":
        put(engine, "1", "C26-1")
    before = schema(engine)

    def fail(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # The first and the last migration call it after they created tables or dropped indexes.
        patch.setattr(Operations, "create_index", fail)
        with pytest.raises(KeyboardInterrupt):
            migrate(engine)
    assert schema(engine) == before
    migrate(engine)
    assert "ix_slides_status_queued_at" in schema(engine)
    assert Slides(engine).ids() == ({"1"} if revision != "base" else set())
    engine.dispose()


def test_processes_that_migrate_at_once_do_so_one_after_the_other(tmp_path: Path) -> None:
    url = results_url(tmp_path / "new.sqlite")
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [context.Process(target=migrate_at, args=(url, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]


def migrate_at(url: str, barrier: Barrier) -> None:
    """Migrates a database when as many processes as the barrier waits for are about to do so."""
    engine = open_database(url)
    # Opened before, so that both do nothing but migrate after the barrier.
    engine.connect().close()
    barrier.wait(60)
    migrate(engine)
    engine.dispose()


def schema(engine: Engine) -> dict[str, str | None]:
    """SQL of every table and index by its name."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master")).all()
    return {row.name: row.sql for row in rows}
