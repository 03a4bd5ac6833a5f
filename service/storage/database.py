"""The results database: opening it and bringing its tables up to date.

Owns engine settings and migrations; queries are left to `results.py` and its neighbours.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import ConnectionPoolEntry

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 15_000


def results_url(path: Path) -> str:
    """URL of a SQLite results database."""
    return f"sqlite:///{path}"


def open_database(url: str) -> Engine:
    """An engine for the results database.

    On SQLite readers never wait for the writer (WAL), and writers wait for one another instead of
    failing.
    """
    engine = create_engine(url)
    if make_url(url).get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
    return engine


def migrate(engine: Engine) -> None:
    """Creates the tables, or brings those of an older version up to date, wholly or not at all.

    Two processes that migrate at once do so one after the other; the second finds all done.
    """
    config = alembic_config()
    with _begin_exclusively(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _begin_exclusively(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction, committed at the end, that includes changes of tables.

    Python's sqlite3 begins no transaction before CREATE, ALTER or DROP, each of which would thus
    be permanent at once. With its own transactions off, the one begun here holds all statements.
    """
    with engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite:
            connection.execution_options(isolation_level="AUTOCOMMIT")
        with connection.begin():
            if is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection


def alembic_config() -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def use_write_ahead_log(path: Path) -> None:
    """Switches a SQLite file to WAL permanently; creates a missing file."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def _set_pragmas(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")
