"""What slots, faults and operators ask of a campaign."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from escalator.db import fetching, models

Row = Mapping[str, Any]


def add_signal(
    connection: sa.Connection,
    campaign_id: str,
    kind: str,
    arguments: Mapping[str, Any],
    sender: str,
    now: float,
    request_key: str | None = None,
    handled_at: float | None = None,
) -> None:
    """Leave a note for whoever looks at the campaign next."""
    connection.execute(
        sa.insert(models.signal).values(
            campaign_id=campaign_id,
            kind=kind,
            arguments=dict(arguments),
            sender=sender,
            at=now,
            request_key=request_key,
            handled_at=handled_at,
        )
    )


def read_signals(connection: sa.Connection, campaign_id: str) -> list[Row]:
    """Return the open signals of a campaign, oldest first."""
    query = (
        sa.select(models.signal)
        .where(
            models.signal.c.campaign_id == campaign_id,
            models.signal.c.handled_at.is_(None),
        )
        .order_by(models.signal.c.id)
    )
    return fetching.fetch(connection, query)


def find_signal(
    connection: sa.Connection, campaign_id: str, request_key: str
) -> Row | None:
    """Return the signal that an earlier request of this key left."""
    query = sa.select(models.signal).where(
        models.signal.c.campaign_id == campaign_id,
        models.signal.c.request_key == request_key,
    )
    return fetching.first(connection, query)


def read_handled(connection: sa.Connection, campaign_id: str, kind: str) -> list[Row]:
    """Return what operators asked of that kind, oldest first."""
    query = (
        sa.select(models.signal)
        .where(
            models.signal.c.campaign_id == campaign_id,
            models.signal.c.kind == kind,
            models.signal.c.handled_at.is_not(None),
        )
        .order_by(models.signal.c.id)
    )
    return fetching.fetch(connection, query)


def close_signals(
    connection: sa.Connection, signal_ids: Sequence[int], now: float
) -> None:
    """Mark signals as handled."""
    connection.execute(
        sa.update(models.signal)
        .where(models.signal.c.id.in_(signal_ids))
        .values(handled_at=now)
    )
