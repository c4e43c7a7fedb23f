"""Rows of preflight reports, and what else a preflight looks at (V-5, V-6)."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from escalator.db import fetching, models
from escalator.domain import alarm, collection, preflight, remedies

Row = Mapping[str, Any]


def store(
    connection: sa.Connection,
    report: Row,
    findings: Sequence[preflight.Finding],
    readings: Sequence[collection.Reading],
) -> None:
    """Store a report and make it the campaign's present one.

    :param report: the columns of ``preflight_report``.
    """
    connection.execute(sa.insert(models.preflight_report).values(**report))
    _list(connection, models.preflight_finding, report["id"], findings)
    _list(connection, models.preflight_reading, report["id"], readings)
    connection.execute(
        sa.update(models.campaign)
        .where(models.campaign.c.id == report["campaign_id"])
        .values(preflight_id=report["id"])
    )


def _list(
    connection: sa.Connection,
    table: sa.Table,
    report_id: str,
    items: Sequence[preflight.Finding | collection.Reading],
) -> None:
    """Store what a report lists, in its order."""
    rows = [
        {"report_id": report_id, "ordinal": ordinal, **dataclasses.asdict(each)}
        for ordinal, each in enumerate(items)
    ]
    if rows:
        connection.execute(sa.insert(table), rows)


def read_report(connection: sa.Connection, report_id: str) -> Row | None:
    """Return one report without its findings."""
    table = models.preflight_report
    return fetching.first(connection, sa.select(table).where(table.c.id == report_id))


def passed_at(connection: sa.Connection, campaign_id: str) -> float:
    """Return when the campaign's latest report that refuses nothing was made, or 0."""
    table = models.preflight_report.c
    query = sa.select(sa.func.max(table.made_at)).where(
        table.campaign_id == campaign_id, table.refusal == ""
    )
    return connection.execute(query).scalar() or 0.0


def read_findings(
    connection: sa.Connection, report_id: str, effect: str | None = None
) -> list[preflight.Finding]:
    """Return the findings of a report in their order.

    :param effect: a policy to which they are limited.
    """
    table = models.preflight_finding
    query = sa.select(table).where(table.c.report_id == report_id)
    if effect is not None:
        query = query.where(table.c.effect == effect)
    return [
        preflight.Finding(row.code, row.host, row.text, row.remedy, row.effect)
        for row in connection.execute(query.order_by(table.c.ordinal))
    ]


def read_readings(
    connection: sa.Connection, report_id: str
) -> list[collection.Reading]:
    """Return what was collected for a report, in its order."""
    table = models.preflight_reading
    query = sa.select(table).where(table.c.report_id == report_id)
    return [
        collection.Reading(row.kind, row.host, row.name, row.value)
        for row in connection.execute(query.order_by(table.c.ordinal))
    ]


def is_to_mend(connection: sa.Connection, campaign_id: str) -> bool:
    """Say whether the present report names what a remedy is for."""
    table, campaign = models.preflight_finding, models.campaign
    query = (
        sa.select(table.c.report_id)
        .join(campaign, campaign.c.preflight_id == table.c.report_id)
        .where(campaign.c.id == campaign_id, table.c.effect == "remediate")
        .limit(1)
    )
    return connection.execute(query).first() is not None


def read_excluded(connection: sa.Connection, campaign: Row) -> dict[str, str]:
    """Return the hosts that a campaign's present report leaves out, and why."""
    if campaign["preflight_id"] is None:
        return {}
    found = read_findings(connection, campaign["preflight_id"], preflight.EXCLUDE)
    return preflight.excluded(found)


def read(connection: sa.Connection, campaign_id: str) -> list[dict[str, Any]]:
    """Return the campaign's present report as one row, or nothing."""
    table, campaign = models.preflight_report, models.campaign
    query = (
        sa.select(table)
        .join(campaign, campaign.c.preflight_id == table.c.id)
        .where(campaign.c.id == campaign_id)
    )
    return [
        {
            **row,
            "made_at": fetching.instant(row["made_at"]),
            "verdict": _verdict(row["refusal"]),
            "findings": [
                dataclasses.asdict(each)
                for each in read_findings(connection, row["id"])
            ],
            "readings": _beside_baseline(connection, row),
        }
        for row in fetching.fetch(connection, query)
    ]


def _beside_baseline(connection: sa.Connection, report: Row) -> list[dict[str, Any]]:
    """Return each reading with what it was when the campaign started, if known."""
    found = read_readings(connection, report["id"])
    before = {}
    if report["baseline_id"] not in (None, report["id"]):
        before = {
            (each.kind, each.host, each.name): each.value
            for each in read_readings(connection, report["baseline_id"])
        }
    return [
        {
            **dataclasses.asdict(each),
            "baseline": before.get((each.kind, each.host, each.name)),
        }
        for each in found
    ]


def _verdict(refusal: str) -> str:
    if remedies.is_told(refusal):
        return "waits"
    return "refused" if refusal else "passed"


def open_faults(
    connection: sa.Connection, hosts: Collection[str]
) -> dict[str, list[str]]:
    """Return host -> the kinds of its open faults, of those hosts."""
    table = models.fault
    query = sa.select(table.c.host, table.c.fault_type).where(table.c.state == "raised")
    found: dict[str, list[str]] = {}
    for host, kind in connection.execute(query):
        if host in hosts:
            found.setdefault(host, []).append(kind)
    return found


def open_alarms(connection: sa.Connection, campaign_id: str) -> list[tuple[str, str]]:
    """Return (name, latest reason) of the campaign's alarms that are raised.

    One that tells of events is not: an event does not last.
    """
    table, seen = models.alarm, models.alarm_observation
    own = sa.select(table.c.id).where(table.c.campaign_id == campaign_id)
    latest = (
        sa.select(seen.c.alarm_id, sa.func.max(seen.c.seq).label("seq"))
        .where(seen.c.alarm_id.in_(own), seen.c.verdict.in_(sorted(alarm.ACTING)))
        .group_by(seen.c.alarm_id)
        .subquery()
    )
    query = (
        sa.select(table.c.name, seen.c.reason)
        .join(latest, latest.c.alarm_id == table.c.id)
        .join(seen, seen.c.seq == latest.c.seq)
        .where(
            table.c.state == alarm.State.ALARM,
            table.c.revoked_at.is_(None),
            seen.c.verdict == alarm.Verdict.RAISED,
        )
        .order_by(table.c.name, table.c.id)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def busy_hosts(connection: sa.Connection, campaign_id: str) -> dict[str, str]:
    """Return host -> the other campaign that works on it."""
    table = models.host
    query = sa.select(table.c.name, table.c.campaign_id).where(
        table.c.campaign_id.is_not(None), table.c.campaign_id != campaign_id
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def lost_services(connection: sa.Connection, seen_before: float) -> list[str]:
    """Return services that should be up, but none of whose processes was heard.

    Agents are judged with their hosts.

    :param seen_before: what was last heard of earlier does not count as alive.
    """
    table = models.service
    query = (
        sa.select(table.c.binary)
        .where(table.c.state == "up", table.c.binary != "escalator-agent")
        .group_by(table.c.binary)
        .having(sa.func.max(table.c.last_seen_at) < seen_before)
        .order_by(table.c.binary)
    )
    return list(connection.execute(query).scalars())
