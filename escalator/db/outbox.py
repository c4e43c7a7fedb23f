"""Messages that a committed transaction owes to the bus.

Source: architecture section 3, rule 2: write the intent, commit, then cast.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from escalator.db import models, session


def insert(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Store messages; each brings its own id."""
    if rows:
        connection.execute(sa.insert(models.outbox), list(rows))


def claim_overdue(
    database: session.Database,
    connection: sa.Connection,
    now: float,
    until: float,
    limit: int,
) -> list[dict[str, Any]]:
    """Take messages that nobody has sent in time; they are ours till ``until``."""
    query = (
        sa.select(models.outbox)
        .where(models.outbox.c.claimed_until < now)
        .order_by(models.outbox.c.created_at, models.outbox.c.ordinal)
        .limit(limit)
    )
    rows = [
        dict(row) for row in connection.execute(database.lock_free(query)).mappings()
    ]
    if rows:
        connection.execute(
            sa.update(models.outbox)
            .where(models.outbox.c.id.in_([row["id"] for row in rows]))
            .values(claimed_until=until)
        )
    return rows


def delete(connection: sa.Connection, ids: Sequence[str]) -> None:
    """Forget messages that the bus has taken; idempotent."""
    connection.execute(sa.delete(models.outbox).where(models.outbox.c.id.in_(ids)))
