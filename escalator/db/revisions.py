"""Plan revisions: which hosts a campaign has, who changed what, who approved."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from escalator.db import fetching, models

Row = Mapping[str, Any]

_TABLE = models.plan_rev
_BRIEF = tuple(column for column in _TABLE.c if column.name != "plan")
"""A plan is large, and the same in most revisions."""


def add(
    connection: sa.Connection,
    campaign_id: str,
    rev: int,
    made: Any,
    targets: Sequence[str],
    diff: Mapping[str, Any],
    now: float,
    **more: Any,
) -> None:
    """Store a plan revision."""
    connection.execute(
        sa.insert(_TABLE).values(
            campaign_id=campaign_id,
            rev=rev,
            plan=made,
            targets=list(targets),
            diff=dict(diff),
            created_at=now,
            **more,
        )
    )


def read(connection: sa.Connection, campaign_id: str, rev: int) -> Row | None:
    """Return one plan revision."""
    query = sa.select(_TABLE).where(
        _TABLE.c.campaign_id == campaign_id, _TABLE.c.rev == rev
    )
    return fetching.first(connection, query)


def read_waiting(connection: sa.Connection, campaign_id: str, rev: int) -> str:
    """Return why a revision still needs an approval, or ""."""
    query = sa.select(_TABLE.c.awaits).where(
        _TABLE.c.campaign_id == campaign_id,
        _TABLE.c.rev == rev,
        _TABLE.c.approved_by == "",
    )
    return str(connection.execute(query).scalar() or "")


def read_targets(connection: sa.Connection, campaign_id: str, rev: int) -> list[str]:
    """Return the names of the hosts that a revision was made for."""
    query = sa.select(_TABLE.c.targets).where(
        _TABLE.c.campaign_id == campaign_id, _TABLE.c.rev == rev
    )
    return list(connection.execute(query).scalar_one())


def read_all(
    connection: sa.Connection, campaign_id: str, after: int = 0, limit: int = 1000
) -> list[Row]:
    """Return the revisions after ``after`` without their plans, oldest first."""
    query = (
        sa.select(*_BRIEF)
        .where(_TABLE.c.campaign_id == campaign_id, _TABLE.c.rev > after)
        .order_by(_TABLE.c.rev)
        .limit(limit)
    )
    return fetching.fetch(connection, query)


def approve(
    connection: sa.Connection, campaign_id: str, rev: int, by: str, now: float
) -> None:
    """Note who approved a revision."""
    connection.execute(
        sa.update(_TABLE)
        .where(_TABLE.c.campaign_id == campaign_id, _TABLE.c.rev == rev)
        .values(approved_by=by, approved_at=now)
    )


def read_page(
    connection: sa.Connection, campaign_id: str, after: int = 0, limit: int = 1000
) -> list[dict[str, Any]]:
    """Return a page for objects: times are aware UTC, hosts are counted."""
    return [
        {
            **row,
            "targets": len(row["targets"]),
            "created_at": fetching.instant(row["created_at"]),
            "approved_at": fetching.instant(row["approved_at"]),
        }
        for row in read_all(connection, campaign_id, after, limit)
    ]
