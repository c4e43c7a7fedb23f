"""Rows of hosts, faults and notices, as facts come in.  All idempotent."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from escalator.db import bulk, models, preflight_orders
from escalator.domain import events, impact, notice

Row = Mapping[str, Any]


def sync_hosts(connection: sa.Connection, listed: Mapping[str, Row]) -> int:
    """Make the inventory equal to what the VIM lists.

    :param listed: host name -> address, role, rack, availability_zone, tags,
        groups, nics, server_groups, declared, instances, listed_facts.
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
    beats = list(beats)
    if vim := {each.agent: each.facts for each in beats if "vim" in each.capabilities}:
        preflight_orders.note_vim_agents(connection, vim, now)
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


def read_agent_seen(connection: sa.Connection, host: str) -> float | None:
    """Return when the agent of a host was last heard of, epoch seconds, or None."""
    query = sa.select(models.host.c.agent_seen_at).where(models.host.c.name == host)
    found: float | None = connection.execute(query).scalar_one_or_none()
    return found


def mark_down(connection: sa.Connection, host: str, fault_id: str) -> None:
    """Note that a fault takes a host down."""
    _update_host(connection, host, {"state": "down", "fault_id": fault_id})


def lock_hosts(connection: sa.Connection, hosts: Iterable[str]) -> None:
    """Let faults of these hosts begin and end one after the other."""
    query = (
        sa.select(models.host.c.name)
        .where(models.host.c.name.in_(list(hosts)))
        .order_by(models.host.c.name)
        .with_for_update()
    )
    connection.execute(query).all()


def settle_hosts(connection: sa.Connection, hosts: Iterable[str]) -> None:
    """Set hosts up that no raised fault takes down; lock them before."""
    table = models.fault
    query = sa.select(table.c.host, table.c.id).where(
        table.c.host.in_(list(hosts)),
        table.c.state == "raised",
        table.c.fault_type.in_(sorted(impact.TAKES_HOST_DOWN)),
    )
    standing = {row.host: row.id for row in connection.execute(query)}
    for host in hosts:
        if host in standing:
            mark_down(connection, host, standing[host])
        else:
            _update_host(connection, host, {"state": "up", "fault_id": ""})


def is_new_fault(connection: sa.Connection, fault: events.Fault) -> bool:
    """Tell whether a fault is neither stored nor told under another id.

    A monitor that was killed may confirm anew what is raised already.
    """
    table = models.fault
    query = sa.select(table.c.id).where(table.c.id == fault.id)
    if connection.execute(query).first() is not None:
        return False
    return not _raised_alike(connection, fault)


def _raised_alike(connection: sa.Connection, fault: events.Fault) -> dict[str, float]:
    """Return id -> raised_at of what the same source says of the host."""
    table = models.fault
    query = sa.select(table.c.id, table.c.evidence, table.c.raised_at).where(
        table.c.host == fault.host,
        table.c.fault_type == fault.fault_type,
        table.c.state == "raised",
    )
    return {
        row.id: row.raised_at
        for row in connection.execute(query)
        if row.evidence.get("alarm_id", "") == fault.source
    }


def add_fault(
    connection: sa.Connection,
    found: events.Impact,
    campaign_ids: list[str],
    cleared_at: float | None = None,
    is_expected: bool = False,
) -> None:
    """Store a fault with those it affects.

    :param cleared_at: epoch seconds of its end, if it is over.
    """
    fault = found.fault
    times = fault.times
    connection.execute(
        sa.insert(models.fault).values(
            id=fault.id,
            host=fault.host,
            fault_type=fault.fault_type,
            severity=fault.severity,
            state="raised" if cleared_at is None else "cleared",
            is_marked_down=found.is_marked_down,
            is_expected=is_expected,
            times=found.times,
            evidence=fault.evidence,
            instances=[
                {"id": each.id, "project_id": each.project_id, "name": each.name}
                for each in found.instances
            ],
            campaign_ids=campaign_ids,
            raised_at=times.get("T0", times.get("T1", cleared_at or 0.0)),
            cleared_at=cleared_at,
        )
    )
    projects = sorted({each.project_id for each in found.instances})
    if projects:
        connection.execute(
            sa.insert(models.fault_project),
            [{"fault_id": fault.id, "project_id": each} for each in projects],
        )


def complete_fault(connection: sa.Connection, found: events.Impact) -> None:
    """Add the checkpoints of a beginning that came late; idempotent.

    Its end, or what further probes found, was told before.
    """
    table = models.fault
    query = sa.select(table.c.times).where(table.c.id == found.fault.id)
    times = connection.execute(query).scalar_one_or_none()
    if times is not None and "T2" not in times:
        connection.execute(
            sa.update(table)
            .where(table.c.id == found.fault.id)
            .values(times=found.times, is_marked_down=found.is_marked_down)
        )


def note_checkpoint(
    connection: sa.Connection, reached: events.CheckpointReached
) -> None:
    """Store when faults came to a checkpoint; the first time counts.

    A fault that is not known yet, or never will be, is no error.
    """
    table = models.fault_checkpoint
    query = sa.select(table.c.fault_id).where(
        table.c.checkpoint == reached.checkpoint,
        table.c.fault_id.in_(list(reached.reached_at)),
    )
    known = set(connection.execute(query).scalars())
    rows = [
        {"fault_id": id, "checkpoint": reached.checkpoint, "reached_at": at}
        for id, at in reached.reached_at.items()
        if id not in known
    ]
    if rows:
        connection.execute(sa.insert(table), rows)


def corroborate_fault(connection: sa.Connection, found: events.Impact) -> None:
    """Keep the evidence of the most probes; idempotent, in any order."""
    fault, table = found.fault, models.fault
    query = sa.select(table.c.evidence).where(table.c.id == fault.id)
    evidence = connection.execute(query.with_for_update()).scalar_one_or_none()
    if evidence is None:
        return
    if dataclasses.replace(fault, evidence=evidence).probes < fault.probes:
        connection.execute(
            sa.update(table)
            .where(table.c.id == fault.id)
            .values(evidence=fault.evidence)
        )


def clear_fault(connection: sa.Connection, found: events.Impact, at: float) -> None:
    """Store that a fault is over, with its doubles under other ids; idempotent.

    One that is not known is stored as over: its beginning comes later, and is
    no news then.  What began after ``at`` (epoch seconds) is another fault.
    """
    fault, table = found.fault, models.fault
    query = sa.select(table.c.state).where(table.c.id == fault.id)
    state = connection.execute(query).scalar_one_or_none()
    if state == "cleared":
        return
    alike = _raised_alike(connection, fault)
    doubles = [id for id, raised_at in alike.items() if raised_at <= at]
    connection.execute(
        sa.update(table)
        .where(table.c.state == "raised", table.c.id.in_([fault.id, *doubles]))
        .values(state="cleared", cleared_at=at)
    )
    if state is None:
        add_fault(connection, found, [], cleared_at=at)


def settle_notices(
    connection: sa.Connection, settled: Iterable[events.NoticeSettled], now: float
) -> None:
    """Store how notices ended; what was delivered stays so.

    In few statements: a fault has as many notices as it has owners, and more.
    """
    settled, table = list(settled), models.notice
    query = sa.select(table.c.id, table.c.state).where(
        table.c.id.in_([each.notice_id for each in settled])
    )
    known: dict[str, str] = {row.id: row.state for row in connection.execute(query)}
    told: dict[str, events.NoticeSettled] = {}
    for each in settled:
        before = told.get(each.notice_id)
        state = before.state if before else known.get(each.notice_id, "")
        if state != notice.State.DELIVERED:
            told[each.notice_id] = each
    fresh = [each for id, each in told.items() if id not in known]
    if fresh:
        rows = [{"id": each.notice_id, **_outcome(each, now)} for each in fresh]
        connection.execute(sa.insert(table), rows)
    concerned = [
        {"fault_id": fault_id, "notice_id": each.notice_id}
        for each in fresh
        for fault_id in each.fault_ids
    ]
    if concerned:
        connection.execute(sa.insert(models.fault_notice), concerned)
    bulk.update_rows(
        connection,
        table,
        {id: _outcome(each, now) for id, each in told.items() if id in known},
    )


def _outcome(settled: events.NoticeSettled, now: float) -> dict[str, Any]:
    return {
        "cause_id": settled.cause_id,
        "subscription_id": settled.subscription_id,
        "project_id": settled.project_id,
        "state": settled.state,
        "attempts": settled.attempts,
        "times": settled.times,
        "error": settled.error,
        "body": settled.body if settled.state == notice.State.DEAD else "",
        "settled_at": now,
    }
