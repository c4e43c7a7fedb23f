"""Rows of what preflights ask of agents, and of who waits for it (V-5, V-7)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from escalator.db import fetching, models
from escalator.domain import remedies

Row = Mapping[str, Any]


def read_wait(connection: sa.Connection, campaign_id: str) -> Row | None:
    """Return what waits for a campaign's preflight."""
    table = models.preflight_wait
    query = sa.select(table).where(table.c.campaign_id == campaign_id)
    return fetching.first(connection, query)


def list_waiting(connection: sa.Connection) -> list[str]:
    """Return the ids of campaigns whose preflight waits for agents."""
    query = sa.select(models.preflight_wait.c.campaign_id)
    return list(connection.execute(query).scalars())


def put_wait(connection: sa.Connection, row: Row) -> None:
    """Store who waits, in place of who waited before."""
    table = models.preflight_wait
    own = table.c.campaign_id == row["campaign_id"]
    connection.execute(sa.delete(table).where(own))
    connection.execute(sa.insert(table).values(**row))


def forget(connection: sa.Connection, campaign_id: str) -> None:
    """Delete who waits, and what was asked; idempotent."""
    for table in (models.preflight_wait, models.preflight_order):
        own = table.c.campaign_id == campaign_id
        connection.execute(sa.delete(table).where(own))


def read_orders(connection: sa.Connection, campaign_id: str) -> list[Row]:
    """Return a campaign's questions and remedies in their order."""
    table = models.preflight_order
    query = (
        sa.select(table)
        .where(table.c.campaign_id == campaign_id)
        .order_by(table.c.round, table.c.host, table.c.about, table.c.id)
    )
    return fetching.fetch(connection, query)


def find_order(connection: sa.Connection, order_id: str) -> Row | None:
    """Return one of them, locked."""
    table = models.preflight_order
    query = sa.select(table).where(table.c.id == order_id).with_for_update()
    return fetching.first(connection, query)


def insert_orders(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store questions or remedies."""
    if rows:
        connection.execute(sa.insert(models.preflight_order), list(rows))


def update_order(connection: sa.Connection, row: Row, **values: Any) -> bool:
    """Change one that is as it was read; False if another has changed it."""
    table = models.preflight_order
    done = connection.execute(
        sa.update(table)
        .where(
            table.c.id == row["id"],
            table.c.state == row["state"],
            table.c.fence == row["fence"],
        )
        .values(**values)
    )
    return bool(done.rowcount)


def merge_facts(connection: sa.Connection, host: str, told: Row) -> None:
    """Keep what an agent told anew of its host."""
    table = models.host
    query = sa.select(table.c.facts).where(table.c.name == host).with_for_update()
    known = connection.execute(query).scalar_one_or_none()
    if known is not None and {**known, **told} != known:
        connection.execute(
            sa.update(table).where(table.c.name == host).values(facts={**known, **told})
        )


def note_vim_agents(
    connection: sa.Connection, told: Mapping[str, Row], now: float
) -> None:
    """Keep when VIM agents were heard of, and what they told.

    :param told: agent -> its facts, maybe none.
    """
    table = models.vim_agent
    query = sa.select(table.c.name, table.c.actions).where(table.c.name.in_(told))
    known = {row.name: row.actions for row in connection.execute(query)}
    for name in sorted(told):
        actions = told[name].get("actions", known.get(name))
        if name not in known:
            row = {"name": name, "actions": actions, "seen_at": now}
            connection.execute(sa.insert(table).values(**row))
        elif actions != known[name]:
            own = table.c.name == name
            connection.execute(sa.update(table).where(own).values(actions=actions))
    connection.execute(
        sa.update(table).where(table.c.name.in_(told)).values(seen_at=now)
    )


def read_vim_agents(
    connection: sa.Connection, seen_after: float
) -> dict[str, Row | None]:
    """Return those heard of lately -> their actions and versions, None: not told."""
    table = models.vim_agent
    query = sa.select(table.c.name, table.c.actions).where(table.c.seen_at > seen_after)
    return {row.name: row.actions for row in connection.execute(query)}


def are_vim_agents_silent(connection: sa.Connection, seen_before: float) -> bool:
    """Say whether there were VIM agents once, and none was heard of lately."""
    query = sa.select(sa.func.max(models.vim_agent.c.seen_at))
    latest = connection.execute(query).scalar_one_or_none()
    return latest is not None and latest < seen_before


def mending(connection: sa.Connection, campaign_id: str) -> Collection[str]:
    """Return the hosts on which a remedy was ordered that is not over."""
    table = models.preflight_order
    query = sa.select(table.c.host).where(
        table.c.campaign_id == campaign_id,
        table.c.intent == "remedy",
        table.c.state == "dispatched",
    )
    return sorted(set(connection.execute(query).scalars()))


def to_mend(connection: sa.Connection, campaign_id: str) -> Collection[str]:
    """Return the hosts with a remedy that is not over, ordered or not."""
    table = models.preflight_order
    query = sa.select(table.c.host).where(
        table.c.campaign_id == campaign_id,
        table.c.intent == "remedy",
        table.c.state.in_(remedies.OPEN),
    )
    return set(connection.execute(query).scalars())
