"""Indexes for the order in which slides are listed and queued."""

from alembic import op

revision = "0003"
down_revision = "0002"

INDEXES = {
    "ix_slides_created_at_id": ["created_at", "id"],
    "ix_slides_status_created_at_id": ["status", "created_at", "id"],
    "ix_slides_status_queued_at": ["status", "queued_at"],
}


def upgrade() -> None:
    """Replaces the indexes of single columns."""
    op.drop_index("ix_slides_status", "slides")
    op.drop_index("ix_slides_created_at", "slides")
    for name, columns in INDEXES.items():
        op.create_index(name, "slides", columns)


def downgrade() -> None:
    """Restores the indexes of single columns."""
    for name in INDEXES:
        op.drop_index(name, "slides")
    op.create_index("ix_slides_created_at", "slides", ["created_at"])
    op.create_index("ix_slides_status", "slides", ["status"])
