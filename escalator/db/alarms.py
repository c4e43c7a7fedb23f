"""Rows of alarms, and what was observed of them."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from escalator import errors
from escalator.db import fetching, models

Row = Mapping[str, Any]

OBSERVATIONS_KEPT = 1000
"""Of each alarm; an alarm that flaps for months must not fill the database."""

_TIMES = ("created_at", "reported_at", "revoked_at")


def create(connection: sa.Connection, now: float, **values: Any) -> dict[str, Any]:
    """Store an alarm; its ``token_digest`` is never read again."""
    known = {
        name: value for name, value in values.items() if name in models.alarm.c
    } | {"fault": {}, "created_at": now, "ovo_version": "1.0"}
    connection.execute(sa.insert(models.alarm).values(known))
    return {"created_at": fetching.instant(now)}


def read(
    connection: sa.Connection,
    id: str | None = None,
    project_id: str | None = None,
    limit: int = 1000,
    marker: str | None = None,
) -> list[dict[str, Any]]:
    """Return alarms by id, revoked ones too."""
    table = models.alarm
    query = sa.select(*(each for each in table.c if each.name != "token_digest"))
    if id is not None:
        query = query.where(table.c.id == id)
    if project_id is not None:
        query = query.where(table.c.project_id == project_id)
    if marker is not None:
        query = query.where(table.c.id > marker)
    rows = connection.execute(query.order_by(table.c.id).limit(limit)).mappings()
    return [
        {
            **row,
            "fault_id": row["fault"].get("id", ""),
            **{name: fetching.instant(row[name]) for name in _TIMES},
        }
        for row in rows
    ]


def read_observations(
    connection: sa.Connection,
    alarm_id: str,
    before: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Return what was observed of an alarm, newest first."""
    table = models.alarm_observation
    query = sa.select(table).where(table.c.alarm_id == alarm_id)
    if before is not None:
        query = query.where(table.c.seq < before)
    rows = connection.execute(query.order_by(table.c.seq.desc()).limit(limit))
    return [{**row, "at": fetching.instant(row["at"])} for row in rows.mappings()]


def lock_by_token(connection: sa.Connection, digest: str) -> Row | None:
    """Return the alarm of a token that is not revoked, locked.

    What is compared is a digest: how long it takes tells nothing of a token.
    """
    table = models.alarm
    query = sa.select(table).where(
        table.c.token_digest == digest, table.c.revoked_at.is_(None)
    )
    return fetching.first(connection, query.with_for_update())


def lock(connection: sa.Connection, alarm_id: str) -> Row:
    """Return an alarm, locked.

    :raises NotFound: there is none of that id.
    """
    query = sa.select(models.alarm).where(models.alarm.c.id == alarm_id)
    row = fetching.first(connection, query.with_for_update())
    if row is None:
        raise errors.NotFound(kind="alarm", id=alarm_id)
    return row


def update(connection: sa.Connection, alarm_id: str, **values: Any) -> None:
    """Change an alarm that is locked."""
    connection.execute(
        sa.update(models.alarm).where(models.alarm.c.id == alarm_id).values(**values)
    )


def is_observed(connection: sa.Connection, alarm_id: str, report_key: str) -> bool:
    """Tell whether a report was observed already."""
    table = models.alarm_observation
    query = sa.select(table.c.seq).where(
        table.c.alarm_id == alarm_id, table.c.report_key == report_key
    )
    return connection.execute(query).first() is not None


def observe(connection: sa.Connection, alarm_id: str, **values: Any) -> None:
    """Keep an observation, and forget those that are too old."""
    table = models.alarm_observation
    connection.execute(sa.insert(table).values(alarm_id=alarm_id, **values))
    oldest = connection.execute(
        sa.select(table.c.seq)
        .where(table.c.alarm_id == alarm_id)
        .order_by(table.c.seq.desc())
        .offset(OBSERVATIONS_KEPT)
        .limit(1)
    ).scalar_one_or_none()
    if oldest is not None:
        connection.execute(
            sa.delete(table).where(table.c.alarm_id == alarm_id, table.c.seq <= oldest)
        )
