"""Alembic's entry point: runs the migrations on the connection in its configuration.

Alembic's command line is not supported: the server migrates at its start, in one transaction.
"""

from alembic import context

from service.storage.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
