"""Notices as they are read, and those that are to be sent once more.

How each ended is written by ``facts``.  Their text stays here: it is the owner's, and
only who sends it again needs it.  Source: DR-7, DR-9.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from escalator import errors
from escalator.db import fetching, models
from escalator.domain import notice

Row = Mapping[str, Any]


def read(
    connection: sa.Connection,
    id: str | None = None,
    project_id: str | None = None,
    state: str | None = None,
    subscription_id: str | None = None,
    fault_id: str | None = None,
    limit: int = 100,
    marker: str | None = None,
) -> list[dict[str, Any]]:
    """Return a page of notices without their text, the last settled first."""
    table = models.notice
    query = sa.select(*(each for each in table.c if each.name != "body"))
    for column, value in (
        (table.c.id, id),
        (table.c.project_id, project_id),
        (table.c.state, state),
        (table.c.subscription_id, subscription_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if fault_id is not None:
        related = models.fault_notice
        query = query.join(related, related.c.notice_id == table.c.id)
        query = query.where(related.c.fault_id == fault_id)
    rows = fetching.page(
        query,
        connection,
        (table.c.settled_at, table.c.id),
        table,
        table.c.id,
        marker,
        limit,
        is_descending=True,
    )
    faults = read_faults(connection, [row["id"] for row in rows])
    return [
        {
            **row,
            "fault_ids": faults.get(row["id"], []),
            "settled_at": fetching.instant(row["settled_at"]),
        }
        for row in rows
    ]


def read_faults(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    """Return notice id -> ids of the faults that it tells of, if any."""
    table = models.fault_notice
    query = sa.select(table).where(table.c.notice_id.in_(ids))
    found: dict[str, list[str]] = {}
    for row in connection.execute(query.order_by(table.c.fault_id)):
        found.setdefault(row.notice_id, []).append(row.fault_id)
    return found


def lock(connection: sa.Connection, id: str) -> Row:
    """Return a notice with its text; nobody else changes it before the commit.

    :raises NotFound: there is none of that id.
    """
    query = sa.select(models.notice).where(models.notice.c.id == id).with_for_update()
    row = fetching.first(connection, query)
    if row is None:
        raise errors.NotFound(kind="notice", id=id)
    return row


def note_resending(connection: sa.Connection, id: str) -> None:
    """Note that a dead letter is sent once more; how that ends replaces it."""
    connection.execute(
        sa.update(models.notice)
        .where(models.notice.c.id == id)
        .values(state=notice.State.RESENDING.value)
    )
