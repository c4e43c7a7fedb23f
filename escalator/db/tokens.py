"""Tokens of budgets, and the hosts they are taken for."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from escalator.db import fetching, models, session
from escalator.domain import plan

Row = Mapping[str, Any]


def read_holds(connection: sa.Connection, campaign_id: str) -> list[Row]:
    """Return every token that a campaign's slots hold."""
    query = sa.select(models.token_hold).where(
        models.token_hold.c.campaign_id == campaign_id
    )
    return fetching.fetch(connection, query)


def take_tokens(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store tokens that a slot holds from now on."""
    if rows:
        connection.execute(sa.insert(models.token_hold), list(rows))


def give_back_tokens(connection: sa.Connection, slot_ids: Sequence[str]) -> None:
    """Give back every token of these slots; idempotent."""
    connection.execute(
        sa.delete(models.token_hold).where(models.token_hold.c.slot_id.in_(slot_ids))
    )


_BACK = ("done", "reverted", "skipped")
"""Slots whose host is in service again."""

_DRAINED = ("done", "superseded", "skipped", "reverted", "quarantined")


def draining_slots(
    connection: sa.Connection, campaign_ids: Collection[str], actions: Collection[str]
) -> set[str]:
    """Return the ids of slots of these campaigns of which a drain is not over yet.

    :param actions: the actions that drain.
    """
    query = sa.select(models.step.c.slot_id).where(
        models.step.c.campaign_id.in_(campaign_ids),
        models.step.c.action.in_(sorted(actions)),
        models.step.c.state.not_in(_DRAINED),
    )
    return set(connection.execute(query).scalars())


def take_admission(database: session.Database, connection: sa.Connection) -> bool:
    """Serialise admissions: tokens of all campaigns are counted together.

    :returns: False if another conductor admits at this moment.
    """
    query = sa.select(models.latch.c.name).where(models.latch.c.name == "admission")
    return connection.execute(database.lock_free(query)).first() is not None


def release_hosts(
    connection: sa.Connection, campaign_id: str, hosts: Sequence[str]
) -> None:
    """Let other campaigns work on these hosts again."""
    connection.execute(
        sa.update(models.host)
        .where(models.host.c.name.in_(hosts), models.host.c.campaign_id == campaign_id)
        .values(campaign_id=None)
    )


def occupy_hosts(
    connection: sa.Connection, campaign_id: str, hosts: Sequence[str]
) -> None:
    """Mark hosts as worked on by this campaign."""
    connection.execute(
        sa.update(models.host)
        .where(models.host.c.name.in_(hosts))
        .values(campaign_id=campaign_id)
    )


def quarantine(connection: sa.Connection, host: str, reason: str) -> None:
    """Keep a host out of every selection until an operator releases it."""
    connection.execute(
        sa.update(models.host)
        .where(models.host.c.name == host)
        .values(is_quarantined=True, quarantine_reason=reason)
    )


def release_quarantine(connection: sa.Connection, host: str) -> None:
    """Let a host be selected again."""
    connection.execute(
        sa.update(models.host)
        .where(models.host.c.name == host)
        .values(is_quarantined=False, quarantine_reason="")
    )


def read_host(connection: sa.Connection, name: str) -> Row | None:
    """Return a listed host's row, locked."""
    query = sa.select(models.host).where(
        models.host.c.name == name, models.host.c.is_listed
    )
    return fetching.first(connection, query.with_for_update())


class Standing(NamedTuple):
    """What an order to a host depends on."""

    rack: str
    is_listed: bool
    instances: int


def read_standings(
    connection: sa.Connection, names: Collection[str]
) -> dict[str, Standing]:
    """Return host name -> how it stands in the inventory."""
    host = models.host.c
    known = (host.rack, host.is_listed, host.instances)
    query = sa.select(host.name, *known).where(host.name.in_(names))
    return {name: Standing(*found) for name, *found in connection.execute(query)}


def active_slots_on(connection: sa.Connection, hosts: Sequence[str]) -> list[Row]:
    """Return slots on these hosts whose campaign is not over."""
    query = (
        sa.select(models.slot)
        .join(models.campaign, models.campaign.c.id == models.slot.c.campaign_id)
        .where(
            models.slot.c.host.in_(hosts),
            models.campaign.c.state.in_([state.value for state in fetching.ACTIVE]),
        )
    )
    return fetching.fetch(connection, query)


_TARGET_COLUMNS = tuple(
    models.host.c[name]
    for name in (
        "name",
        "role",
        "rack",
        "availability_zone",
        "tags",
        "groups",
        "server_groups",
        "declared",
        "instances",
        "state",
        "campaign_id",
        "is_quarantined",
        "agent_seen_at",
        "facts",
        "listed_facts",
    )
)


def read_targets(
    connection: sa.Connection,
    campaign_id: str | None,
    silent_before: float,
    *,
    with_projects: bool = True,
) -> list[plan.Target]:
    """Return the inventory as selection and budgets see it.

    A host that another campaign works on is down to this one; one that it only
    keeps, for it may be rolled back, is up.

    :param silent_before: agents last heard of earlier count as silent.
    :param with_projects: False leaves ``Target.projects`` empty: in a large cloud
        they are as much to read as all the rest.
    """
    query = sa.select(*_TARGET_COLUMNS).where(models.host.c.is_listed)
    rows = connection.execute(query).all()
    projects = _read_projects(connection) if with_projects else {}
    mine = (None, campaign_id)
    taken = {row.name for row in rows if row.campaign_id not in mine}
    out = _read_out(connection, taken) if taken else taken
    return [
        plan.Target(
            name=row.name,
            role=row.role,
            rack=row.rack,
            availability_zone=row.availability_zone,
            tags=tuple(row.tags),
            groups=tuple(row.groups),
            server_groups=tuple(row.server_groups),
            projects=projects.get(row.name, ()),
            declared=tuple((owner, most) for owner, most in row.declared),
            instances=row.instances,
            is_up=row.state == "up" and row.name not in out,
            is_quarantined=row.is_quarantined,
            is_kept=row.name in taken - out,
            has_agent=(row.agent_seen_at or 0.0) >= silent_before,
            facts=fetching.merged(row.facts, row.listed_facts),
        )
        for row in rows
    ]


def _read_projects(connection: sa.Connection) -> dict[str, tuple[str, ...]]:
    """Return host name -> the projects of the instances that it carries."""
    host = models.host.c
    query = sa.select(host.name, host.residents).where(host.is_listed)
    return {
        name: tuple(dict.fromkeys(project for project, *_ in residents))
        for name, residents in connection.execute(query)
    }


def _read_out(connection: sa.Connection, hosts: Collection[str]) -> set[str]:
    """Return those of the hosts that the campaign they belong to is not done with."""
    slot, host = models.slot.c, models.host.c
    query = (
        sa.select(host.name, slot.state)
        .join(
            models.slot,
            (slot.host == host.name) & (slot.campaign_id == host.campaign_id),
            isouter=True,
        )
        .where(host.name.in_(hosts))
    )
    return {name for name, state in connection.execute(query) if state not in _BACK}
