"""The migrations create exactly the tables of the models, and can be repeated."""

import sqlite3
from pathlib import Path

from alembic import command
from sqlalchemy import Engine, text

from service.storage.database import alembic_config, migrate, use_write_ahead_log


def test_models_and_migrations_agree(engine: Engine) -> None:
    config = alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.check(config)


def test_migrations_can_be_undone_and_done_again(engine: Engine) -> None:
    config = alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM slides")).scalar() == 0


def test_readers_do_not_wait_for_the_writer(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_write_ahead_log_is_set_in_the_file(tmp_path: Path) -> None:
    use_write_ahead_log(tmp_path / "jobs.sqlite")
    connection = sqlite3.connect(tmp_path / "jobs.sqlite")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
