"""Rows of hosts, faults and notices, as facts come in.  All idempotent."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from escalator.db import models
from escalator.domain import events

Row = Mapping[str, Any]


def sync_hosts(connection: sa.Connection, listed: Mapping[str, Row]) -> int:
    """Make the inventory equal to what the VIM lists.

    :param listed: host name -> address, role, rack, availability_zone, tags,
        groups, server_groups, instances.
    :returns: number of rows that changed.
    """
    known = {
        row["name"]: row
        for row in connection.execute(sa.select(models.host)).mappings()
    }
    changed = 0
    for name, values in listed.items():
        row = known.get(name)
        wanted = {**values, "is_listed": True}
        if row is None:
            connection.execute(
                sa.insert(models.host).values(name=name, state="up", facts={}, **wanted)
            )
        elif any(row[key] != value for key, value in wanted.items()):
            _update_host(connection, name, wanted)
        else:
            continue
        changed += 1
    for name, row in known.items():
        if name not in listed and row["is_listed"]:
            _update_host(connection, name, {"is_listed": False})
            changed += 1
    return changed


def _update_host(connection: sa.Connection, name: str, values: Row) -> None:
    connection.execute(
        sa.update(models.host).where(models.host.c.name == name).values(**values)
    )


def note_beats(
    connection: sa.Connection, beats: Iterable[events.AgentBeat], now: float
) -> None:
    """Keep when agents were heard of, and what they told of their hosts."""
    latest = {beat.host: beat for beat in beats if "node" in beat.capabilities}
    query = sa.select(models.host.c.name, models.host.c.facts).where(
        models.host.c.name.in_(sorted(latest))
    )
    for name, facts in connection.execute(query).all():
        beat = latest[name]
        values: dict[str, Any] = {"agent_seen_at": now}
        merged = {**facts, **beat.facts}
        if merged != facts:
            values["facts"] = merged
        _update_host(connection, name, values)


def mark_hosts(
    connection: sa.Connection, hosts: Iterable[str], state: str, fault_id: str
) -> None:
    """Set hosts up or down."""
    connection.execute(
        sa.update(models.host)
        .where(models.host.c.name.in_(list(hosts)))
        .values(state=state, fault_id=fault_id)
    )


def is_new_fault(connection: sa.Connection, fault: events.Fault) -> bool:
    """Tell whether a fault is neither stored nor told under another id.

    A monitor that was killed may confirm anew what is raised already.
    """
    table = models.fault
    same = sa.and_(
        table.c.host == fault.host,
        table.c.fault_type == fault.fault_type,
        table.c.state == "raised",
    )
    query = sa.select(table.c.id).where(sa.or_(table.c.id == fault.id, same))
    return connection.execute(query).first() is None


def add_fault(
    connection: sa.Connection, impact: events.Impact, campaign_ids: list[str]
) -> None:
    """Store a fault with those it affects."""
    fault = impact.fault
    connection.execute(
        sa.insert(models.fault).values(
            id=fault.id,
            host=fault.host,
            fault_type=fault.fault_type,
            severity=fault.severity,
            state="raised",
            is_marked_down=impact.is_marked_down,
            times=impact.times,
            evidence=fault.evidence,
            instances=[
                {"id": each.id, "project_id": each.project_id, "name": each.name}
                for each in impact.instances
            ],
            campaign_ids=campaign_ids,
            raised_at=fault.times.get("T0", fault.times["T1"]),
        )
    )
    projects = sorted({each.project_id for each in impact.instances})
    if projects:
        connection.execute(
            sa.insert(models.fault_project),
            [{"fault_id": fault.id, "project_id": each} for each in projects],
        )


def clear_faults(connection: sa.Connection, fault: events.Fault, at: float) -> None:
    """Mark every raised fault of this host and type as over; idempotent."""
    table = models.fault
    connection.execute(
        sa.update(table)
        .where(
            table.c.host == fault.host,
            table.c.fault_type == fault.fault_type,
            table.c.state == "raised",
        )
        .values(state="cleared", cleared_at=at)
    )


def settle_notice(
    connection: sa.Connection, settled: events.NoticeSettled, now: float
) -> None:
    """Store how a notice ended; a repeat replaces a dead letter only."""
    query = sa.select(models.notice.c.state).where(
        models.notice.c.id == settled.notice_id
    )
    row = connection.execute(query).first()
    values = {
        "cause_id": settled.cause_id,
        "subscription_id": settled.subscription_id,
        "project_id": settled.project_id,
        "state": settled.state,
        "attempts": settled.attempts,
        "times": settled.times,
        "error": settled.error,
        "body": settled.body if settled.state == "dead" else "",
        "settled_at": now,
    }
    if row is None:
        connection.execute(
            sa.insert(models.notice).values(id=settled.notice_id, **values)
        )
        if settled.fault_ids:
            connection.execute(
                sa.insert(models.fault_notice),
                [
                    {"fault_id": each, "notice_id": settled.notice_id}
                    for each in settled.fault_ids
                ],
            )
    elif row.state == "dead":
        connection.execute(
            sa.update(models.notice)
            .where(models.notice.c.id == settled.notice_id)
            .values(**values)
        )
