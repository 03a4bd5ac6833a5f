"""Accessions in one form: NFC, without white space around them or characters nobody can see.

Slides that differ only in how their number was written become one identity. Each of them stays,
with its results, under its id; the one that got furthest, of those the first, is from now on the
slide that a repeated upload finds.
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

#: Written down here, so that a later change of the rules leaves this step as it was.
DROPPED_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
#: The one that got furthest is first.
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
    finders = {identity: _choose(group) for identity, group in groups.items()}
    # Those that are no longer found first: their identities may be others' from now on.
    for identity, group in groups.items():
        for row in group:
            if row.id != finders[identity].id:
                _write(connection, row, _digest([identity, row.id]))
    for identity, row in finders.items():
        _write(connection, row, identity)


def downgrade() -> None:
    """Leaves the accessions: how they were written before is not known any more."""


def normalise(accession: str | None) -> str | None:
    """In the one form; None if nothing is left of it."""
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
    """Of the slide with its accession in the one form; the one it has, where that is no other."""
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
