"""Alembic's entry point: runs the migrations on the connection that it is given.

There is no other way in: the server migrates at its start, in one transaction.
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
