"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Creates the tables of slides, Idempotency-Keys, ended analyses and workers."""
    op.create_table(
        "slides",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("detector", sa.String(200), nullable=False),
        sa.Column("detector_digest", sa.String(80), nullable=False),
        sa.Column("mpp", sa.Double()),
        sa.Column("accession", sa.String(200)),
        sa.Column("filename", sa.String(255)),
        sa.Column("stored_name", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("stalled_starts", sa.Integer(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("tiles_done", sa.Integer(), nullable=False),
        sa.Column("tiles_total", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("queued_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("error_name", sa.String(80)),
        sa.Column("error_detail", sa.String()),
        sa.Column("report", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_slides"),
        sa.UniqueConstraint("identity", name="uq_slides_identity"),
    )
    op.create_index("ix_slides_status", "slides", ["status"])
    op.create_index("ix_slides_created_at", "slides", ["created_at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request_digest", sa.String(64)),
        sa.Column("status_code", sa.Integer()),
        sa.Column("answer", sa.JSON()),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_idempotency_keys"),
    )
    op.create_table(
        "analysis_records",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("detector", sa.String(200), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("tiles", sa.Integer(), nullable=False),
        sa.Column("cells", sa.Integer(), nullable=False),
        sa.Column("finished_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analysis_records"),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )


def downgrade() -> None:
    """Drops these tables."""
    for table in ("workers", "analysis_records", "idempotency_keys", "slides"):
        op.drop_table(table)
