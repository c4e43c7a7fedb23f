"""Rows of subscriptions."""

from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_errors

from escalator import errors
from escalator.db import models
from escalator.db.fetching import instant


def read(
    connection: sa.Connection,
    id: str | None = None,
    project_id: str | None = None,
    limit: int = 1000,
    marker: str | None = None,
) -> list[dict[str, Any]]:
    """Return subscriptions by id, after ``marker``."""
    table = models.subscription
    query = sa.select(table)
    if id is not None:
        query = query.where(table.c.id == id)
    if project_id is not None:
        query = query.where(table.c.project_id == project_id)
    if marker is not None:
        query = query.where(table.c.id > marker)
    rows = connection.execute(query.order_by(table.c.id).limit(limit)).mappings()
    return [{**row, "created_at": instant(row["created_at"])} for row in rows]


def read_most_probes(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return one row: the largest number of probes that anybody waits for."""
    most = connection.execute(sa.select(sa.func.max(models.subscription.c.min_probes)))
    return [{"most": most.scalar_one() or 1}]


def create(connection: sa.Connection, now: float, **values: Any) -> dict[str, Any]:
    """Store a subscription.

    :raises Conflict: there is one of that id.
    """
    values = {
        name: value
        for name, value in values.items()
        if name in models.subscription.c and name != "created_at"
    }
    try:
        connection.execute(
            sa.insert(models.subscription).values(
                created_at=now, ovo_version="1.0", **values
            )
        )
    except db_errors.DBDuplicateEntry:
        raise errors.Conflict(kind="subscription", id=values["id"]) from None
    return {"created_at": instant(now)}


def destroy(connection: sa.Connection, now: float, id: str) -> dict[str, Any]:
    """Remove a subscription; idempotent."""
    connection.execute(
        sa.delete(models.subscription).where(models.subscription.c.id == id)
    )
    return {}
