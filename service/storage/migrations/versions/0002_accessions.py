"""Normalises accessions: NFC, without surrounding white space and invisible characters.

Slides whose accessions become equal get a common identity. All of them stay, with their results,
under their ids. A repeated upload is from now on recognised as the slide with the most advanced
status; among those, as the oldest.
"""

import hashlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

#: A copy, so that a later change of the rules does not change this migration.
DROPPED_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
#: The most advanced first.
STATUSES = ("done", "running", "queued", "failed", "cancelled")

SlideRow: TypeAlias = "sa.Row[Any]"

slides = sa.table(
    "slides",
    *(
        sa.column(name)
        for name in ("id", "identity", "sha256", "detector_digest", "mpp", "accession", "status")
    ),
    sa.column("created_at"),
)


def upgrade() -> None:
    """Rewrites accessions, and the identities that follow from them."""
    connection = op.get_bind()
    rows = connection.execute(sa.select(slides).where(slides.c.accession.is_not(None))).all()
    if all(normalise(row.accession) == row.accession for row in rows):
        return
    groups: dict[str, list[SlideRow]] = defaultdict(list)
    for row in connection.execute(sa.select(slides)):
        groups[identity_of(row)].append(row)
    recognised = {identity: _choose(group) for identity, group in groups.items()}
    # The unrecognised slides first: `identity` is unique and may pass to another slide.
    for identity, group in groups.items():
        for row in group:
            if row.id != recognised[identity].id:
                _write(connection, row, _digest([identity, row.id]))
    for identity, row in recognised.items():
        _write(connection, row, identity)


def downgrade() -> None:
    """Changes nothing: the accessions before normalisation are not stored."""


def normalise(accession: str | None) -> str | None:
    """The accession in normal form; None if it is empty."""
    if accession is None:
        return None
    composed = unicodedata.normalize("NFC", accession).strip()
    visible = "".join(
        character
        for character in composed
        if unicodedata.category(character) not in DROPPED_CATEGORIES
    )
    return unicodedata.normalize("NFC", visible).strip() or None


def identity_of(row: SlideRow) -> str:
    """Identity of the slide with its normalised accession; unchanged if that was normalised."""
    if normalise(row.accession) == row.accession:
        return str(row.identity)
    return _digest([row.sha256, row.detector_digest, row.mpp, normalise(row.accession)])


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _choose(group: Sequence[SlideRow]) -> SlideRow:
    return min(group, key=lambda row: (STATUSES.index(row.status), str(row.created_at), row.id))


def _write(connection: sa.Connection, row: SlideRow, identity: str) -> None:
    values = {"accession": normalise(row.accession), "identity": identity}
    if (row.accession, row.identity) != (values["accession"], identity):
        connection.execute(sa.update(slides).where(slides.c.id == row.id).values(**values))
