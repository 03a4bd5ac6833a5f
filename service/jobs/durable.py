"""DBOS configuration that the server and the worker share.

Owns names, version, serializer and the jobs database; the job itself is in `workflow.py`.
"""

from pathlib import Path

from dbos import DBOSConfig, DBOSPortableJSONSerializer, run_dbos_database_migrations

from service.storage.database import use_write_ahead_log

APPLICATION = "cytolibra"
#: Constant, since DBOS leaves jobs of other versions undone. A step's result may thus come from an
#: earlier release or other settings: `workflow.py` checks what each group of tiles was made from.
APPLICATION_VERSION = "1"
QUEUE = "slides"
WORKFLOW = "analyse-slide"
POLL_INTERVAL_S = 0.5


def jobs_url(path: Path) -> str:
    """URL of a SQLite jobs database."""
    return f"sqlite:///{path}"


def prepare_jobs_database(path: Path) -> None:
    """Creates the tables of the jobs database, or brings them up to date."""
    use_write_ahead_log(path)
    run_dbos_database_migrations(jobs_url(path))


def worker_config(path: Path, worker_id: str, log_level: str) -> DBOSConfig:
    """DBOS configuration of a worker: JSON instead of pickle, and an id that survives restarts."""
    return DBOSConfig(
        name=APPLICATION,
        system_database_url=jobs_url(path),
        application_version=APPLICATION_VERSION,
        executor_id=worker_id,
        serializer=DBOSPortableJSONSerializer(),
        log_level="WARNING" if log_level == "INFO" else log_level,
        run_migrations=False,
        enable_otlp=False,
    )


def workflow_id(slide_id: str, run: int) -> str:
    """Id of the job for one run of one slide."""
    return f"{slide_id}.{run}"
