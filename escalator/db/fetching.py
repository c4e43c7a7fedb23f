"""Rows as mappings, and which campaigns are under way."""

import datetime
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from escalator import errors
from escalator.domain import states

Row = Mapping[str, Any]

ACTIVE = (
    states.CampaignState.RUNNING,
    states.CampaignState.PAUSING,
    states.CampaignState.PAUSED,
    states.CampaignState.HOLDING,
    states.CampaignState.SOAKING,
    states.CampaignState.COMPLETED,
    states.CampaignState.ROLLING_BACK,
)


def instant(seconds: float | None) -> datetime.datetime | None:
    """Return seconds since the epoch as an aware UTC datetime."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)


def fetch(connection: sa.Connection, query: sa.Select[Any]) -> list[Row]:
    """Return every row of a query."""
    return [dict(row) for row in connection.execute(query).mappings()]


def first(connection: sa.Connection, query: sa.Select[Any]) -> Row | None:
    """Return the first row of a query, or None."""
    row = connection.execute(query).mappings().first()
    return dict(row) if row else None


def merged(told: Row, listed: Row) -> dict[str, Any]:
    """Return a host's facts: what its agent told, and what is listed of it.

    :param listed: from the VIM or an operator's file; wins where both speak.
    """
    found = dict(told)
    for name, value in listed.items():
        before = found.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            value = merged(before, value)
        found[name] = value
    return found


def page(
    query: sa.Select[Any],
    connection: sa.Connection,
    columns: tuple[Any, ...],
    table: sa.Table,
    key: Any,
    marker: str | None,
    limit: int,
    is_descending: bool = False,
) -> list[Row]:
    """Return one page ordered by ``columns`` and after the marker's row."""
    order = [c.desc() if is_descending else c.asc() for c in columns]
    if marker is not None:
        last = connection.execute(sa.select(*columns).where(key == marker)).first()
        if last is None:
            raise errors.NotFound(kind=f"{table.name} (marker)", id=marker)
        here = sa.tuple_(*columns)
        there = sa.tuple_(*(sa.literal(value) for value in last))
        query = query.where(here < there if is_descending else here > there)
    found = connection.execute(query.order_by(*order).limit(limit)).mappings()
    return [dict(row) for row in found]
