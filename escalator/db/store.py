"""What objects read and write (the ``store`` slot of ``objects.base``).

One function per kind of object; times leave as aware UTC datetimes.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_errors

from escalator.db import (
    alarms,
    fault_records,
    fetching,
    gates,
    hours,
    models,
    notices,
    preflights,
    revisions,
    session,
    subscriptions,
    work,
)
from escalator.db.fetching import instant

Row = Mapping[str, Any]


class Store:
    """Reads and writes rows for objects; every call is one transaction."""

    def __init__(self, database: session.Database) -> None:
        self.database = database
        self._readers: dict[str, Callable[..., list[dict[str, Any]]]] = {
            "campaign": lambda at, **query: _campaigns(at, database.now, **query),
            "step": _steps,
            "journal": _journal,
            "preflight": preflights.read,
            "revision": revisions.read_page,
            "host": _hosts,
            "host_digest": _host_digest,
            "fault": fault_records.read,
            "notice": notices.read,
            "subscription": subscriptions.read,
            "subscription_probes": subscriptions.read_most_probes,
            "service": _services,
            "alarm": alarms.read,
            "observation": alarms.read_observations,
        }
        self._writers: dict[tuple[str, str], Callable[..., dict[str, Any]]] = {
            ("subscription", "create"): subscriptions.create,
            ("subscription", "destroy"): subscriptions.destroy,
            ("service", "beat"): _beat_service,
            ("alarm", "create"): alarms.create,
        }

    def read(self, kind: str, **query: Any) -> list[dict[str, Any]]:
        """Return rows of one kind; keywords as in the objects' methods."""
        with self.database.begin() as connection:
            return self._readers[kind](connection, **query)

    @session.retry_on_conflict
    def write(self, kind: str, verb: str, **values: Any) -> dict[str, Any]:
        """Change one row and return what the database added."""
        with self.database.begin() as connection:
            now = self.database.now(connection)
            return self._writers[(kind, verb)](connection, now, **values)


def _campaigns(
    connection: sa.Connection,
    now: hours.Clock,
    id: str | None = None,
    project_id: str | None = None,
    state: str | None = None,
    limit: int = 100,
    marker: str | None = None,
) -> list[dict[str, Any]]:
    table = models.campaign
    query = sa.select(table)
    for column, value in (
        (table.c.id, id),
        (table.c.project_id, project_id),
        (table.c.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    rows = fetching.page(
        query,
        connection,
        (table.c.created_at, table.c.id),
        table,
        table.c.id,
        marker,
        limit,
        is_descending=True,
    )
    return [_campaign(connection, now, row) for row in rows]


def _campaign(connection: sa.Connection, now: hours.Clock, row: Row) -> dict[str, Any]:
    made = revisions.read(connection, row["id"], row["plan_rev"])
    return {
        **row,
        "plan": made["plan"] if made else {},
        **hours.told(connection, now, made),
        "gates": gates.told(connection, row["id"]),
        "progress": {
            "slots": work.count_slots(connection, row["id"]),
            "targets": len(made["targets"]) if made else 0,
        },
        **{
            name: instant(row[name])
            for name in ("created_at", "updated_at", "started_at", "ended_at")
        },
    }


def _steps(
    connection: sa.Connection,
    campaign_id: str,
    host: str | None = None,
    state: str | None = None,
    limit: int = 1000,
    marker: str | None = None,
) -> list[dict[str, Any]]:
    table = models.step
    query = sa.select(table).where(table.c.campaign_id == campaign_id)
    if host is not None:
        query = query.where(table.c.host == host)
    if state is not None:
        query = query.where(table.c.state == state)
    rows = fetching.page(
        query,
        connection,
        (table.c.created_at, table.c.slot_id, table.c.seq, table.c.id),
        table,
        table.c.id,
        marker,
        limit,
    )
    return [
        {
            **row,
            "result": row["result"] or {},
            "started_at": instant(row["started_at"]),
            "ended_at": instant(row["ended_at"]),
        }
        for row in rows
    ]


def _journal(
    connection: sa.Connection, campaign_id: str, after: int = 0, limit: int = 1000
) -> list[dict[str, Any]]:
    table = models.journal
    query = (
        sa.select(table)
        .where(table.c.campaign_id == campaign_id, table.c.seq > after)
        .order_by(table.c.seq)
        .limit(limit)
    )
    rows = connection.execute(query).mappings()
    return [{**row, "at": instant(row["at"])} for row in rows]


def _hosts(
    connection: sa.Connection,
    name: str | None = None,
    state: str | None = None,
    limit: int = 1000,
    marker: str | None = None,
) -> list[dict[str, Any]]:
    table = models.host
    query = sa.select(table).where(table.c.is_listed)
    if name is not None:
        query = query.where(table.c.name == name)
    if state is not None:
        query = query.where(table.c.state == state)
    if marker is not None:
        query = query.where(table.c.name > marker)
    found = connection.execute(query.order_by(table.c.name).limit(limit)).mappings()
    rows = list(found)
    ends = work.read_reboot_windows(
        connection, [row["name"] for row in rows if row["campaign_id"]]
    )
    return [
        {
            **row,
            "facts": fetching.merged(row["facts"], row["listed_facts"]),
            "agent_seen_at": instant(row["agent_seen_at"]),
            "expected_down_until": instant(ends.get(row["name"])),
        }
        for row in rows
    ]


def _host_digest(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return one row: the digest of all that a monitor goes by."""
    table = models.host
    query = sa.select(
        table.c.name,
        table.c.address,
        sa.cast(table.c.nics, sa.String),
        table.c.agent_seen_at.is_not(None),
        table.c.campaign_id.is_not(None),
    )
    rows = connection.execute(query.where(table.c.is_listed).order_by(table.c.name))
    (probes,) = subscriptions.read_most_probes(connection)
    digest = hashlib.sha256(repr(probes).encode())
    for row in rows:
        digest.update(repr(tuple(row)).encode())
    return [{"digest": digest.hexdigest()}]


def _services(connection: sa.Connection) -> list[dict[str, Any]]:
    table = models.service
    query = sa.select(table).order_by(table.c.binary, table.c.host, table.c.instance)
    return [
        {
            **row,
            "started_at": instant(row["started_at"]),
            "last_seen_at": instant(row["last_seen_at"]),
        }
        for row in connection.execute(query).mappings()
    ]


def _beat_service(
    connection: sa.Connection, now: float, **values: Any
) -> dict[str, Any]:
    table = models.service
    same = sa.and_(
        table.c.binary == values["binary"],
        table.c.host == values["host"],
        table.c.instance == values["instance"],
    )
    changed = {**values, "last_seen_at": now}
    if values.get("state") == "starting":
        changed["started_at"] = now
    change = sa.update(table).where(same).values(**changed)
    if not connection.execute(change).rowcount:
        try:
            with connection.begin_nested():
                connection.execute(
                    sa.insert(table).values(started_at=now, last_seen_at=now, **values)
                )
        except db_errors.DBDuplicateEntry:
            connection.execute(change)
    return {"last_seen_at": instant(now)}
