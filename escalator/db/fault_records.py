"""Faults as they are read: with their owners, their notices and what belongs together.

They are written by ``facts``.  Source: DR-7, DR-9.
"""

from typing import Any

import sqlalchemy as sa

from escalator.db import correlation, fetching, models


def read(
    connection: sa.Connection,
    id: str | None = None,
    host: str | None = None,
    project_id: str | None = None,
    state: str | None = None,
    limit: int = 100,
    marker: str | None = None,
) -> list[dict[str, Any]]:
    """Return a page of faults, newest first.

    :param project_id: only what affects it, and only its part of that; None: all.
    """
    table = models.fault
    query = sa.select(table)
    for column, value in (
        (table.c.id, id),
        (table.c.host, host),
        (table.c.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    if project_id is not None:
        query = query.join(
            models.fault_project, models.fault_project.c.fault_id == table.c.id
        ).where(models.fault_project.c.project_id == project_id)
    rows = fetching.page(
        query,
        connection,
        (table.c.raised_at, table.c.id),
        table,
        table.c.id,
        marker,
        limit,
        is_descending=True,
    )
    notices = _notices(connection, [row["id"] for row in rows], project_id)
    related = correlation.correlate(connection, rows, project_id)
    later = _later_checkpoints(connection, [row["id"] for row in rows])
    return [
        {
            **row,
            "is_marked_down": row["is_marked_down"] or "T4" in later.get(row["id"], {}),
            "times": {**later.get(row["id"], {}), **row["times"]},
            "is_root_cause": related[row["id"]].is_root_cause,
            "correlated_fault_ids": list(related[row["id"]].ids),
            "instances": [
                each
                for each in row["instances"]
                if project_id is None or each["project_id"] == project_id
            ],
            "notices": notices.get(row["id"], []),
            "raised_at": fetching.instant(row["raised_at"]),
            "cleared_at": fetching.instant(row["cleared_at"]),
        }
        for row in rows
    ]


def _later_checkpoints(
    connection: sa.Connection, fault_ids: list[str]
) -> dict[str, dict[str, float]]:
    """Return fault id -> checkpoint -> epoch seconds, of those told later."""
    table = models.fault_checkpoint
    query = sa.select(table).where(table.c.fault_id.in_(fault_ids))
    found: dict[str, dict[str, float]] = {}
    for row in connection.execute(query):
        found.setdefault(row.fault_id, {})[row.checkpoint] = row.reached_at
    return found


def _notices(
    connection: sa.Connection, fault_ids: list[str], project_id: str | None
) -> dict[str, list[dict[str, Any]]]:
    query = (
        sa.select(models.fault_notice.c.fault_id, models.notice)
        .join(models.notice, models.notice.c.id == models.fault_notice.c.notice_id)
        .where(models.fault_notice.c.fault_id.in_(fault_ids))
    )
    if project_id is not None:
        query = query.where(models.notice.c.project_id == project_id)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["fault_id"], []).append(
            {
                name: row[name]
                for name in (
                    "id",
                    "subscription_id",
                    "project_id",
                    "state",
                    "attempts",
                    "times",
                    "error",
                )
            }
        )
    return found
