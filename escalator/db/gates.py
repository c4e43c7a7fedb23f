"""Rows of the gates behind stages."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from escalator.db import fetching, models

Row = Mapping[str, Any]


def read(connection: sa.Connection, campaign_id: str) -> list[Row]:
    """Return the gates of a campaign whose stage began, in that order."""
    query = (
        sa.select(models.gate)
        .where(models.gate.c.campaign_id == campaign_id)
        .order_by(models.gate.c.procedure, models.gate.c.changed_at)
    )
    return fetching.fetch(connection, query)


def insert(connection: sa.Connection, row: Row) -> None:
    """Store the gate of a stage that begins."""
    connection.execute(sa.insert(models.gate).values(**row))


def update(connection: sa.Connection, row: Row, **values: Any) -> None:
    """Change a gate's row."""
    connection.execute(
        sa.update(models.gate).where(models.gate.c.id == row["id"]).values(**values)
    )


def delete(connection: sa.Connection, campaign_id: str, procedure: str) -> list[Row]:
    """Forget the gates of a procedure, of all if it is empty; returns what was."""
    found = read(connection, campaign_id)
    found = [row for row in found if procedure in ("", row["procedure"])]
    connection.execute(
        sa.delete(models.gate).where(models.gate.c.id.in_([e["id"] for e in found]))
    )
    return found


def told(connection: sa.Connection, campaign_id: str) -> list[dict[str, Any]]:
    """Return the gates of a campaign as they are shown."""
    names = ("procedure", "stage", "state", "take", "reason")
    return [
        {**{name: row[name] for name in names}, "opens_at": _text(row["opens_at"])}
        for row in read(connection, campaign_id)
    ]


def _text(seconds: float | None) -> str | None:
    at = fetching.instant(seconds)
    return at.isoformat() if at else None
