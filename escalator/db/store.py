"""What objects read and write (the ``store`` slot of ``objects.base``).

One function per kind of object; times leave as aware UTC datetimes.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_errors

from escalator import errors
from escalator.db import (
    alarms,
    correlation,
    fetching,
    gates,
    hours,
    models,
    preflights,
    revisions,
    session,
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
            "fault": _faults,
            "subscription": _subscriptions,
            "service": _services,
            "alarm": alarms.read,
            "observation": alarms.read_observations,
        }
        self._writers: dict[tuple[str, str], Callable[..., dict[str, Any]]] = {
            ("subscription", "create"): _create_subscription,
            ("subscription", "destroy"): _destroy_subscription,
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


def _page(
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
    rows = _page(
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
    rows = _page(
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
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(tuple(row)).encode())
    return [{"digest": digest.hexdigest()}]


def _faults(
    connection: sa.Connection,
    id: str | None = None,
    host: str | None = None,
    project_id: str | None = None,
    state: str | None = None,
    limit: int = 100,
    marker: str | None = None,
) -> list[dict[str, Any]]:
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
    rows = _page(
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
    return [
        {
            **row,
            "is_root_cause": related[row["id"]].is_root_cause,
            "correlated_fault_ids": list(related[row["id"]].ids),
            "instances": [
                each
                for each in row["instances"]
                if project_id is None or each["project_id"] == project_id
            ],
            "notices": notices.get(row["id"], []),
            "raised_at": instant(row["raised_at"]),
            "cleared_at": instant(row["cleared_at"]),
        }
        for row in rows
    ]


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


def _subscriptions(
    connection: sa.Connection,
    id: str | None = None,
    project_id: str | None = None,
    limit: int = 1000,
    marker: str | None = None,
) -> list[dict[str, Any]]:
    table = models.subscription
    query = sa.select(table)
    if id is not None:
        query = query.where(table.c.id == id)
    if project_id is not None:
        query = query.where(table.c.project_id == project_id)
    if marker is not None:
        query = query.where(table.c.id > marker)
    rows = connection.execute(query.order_by(table.c.id).limit(limit)).mappings()
    return [{**row, "created_at": instant(row["created_at"])} for row in rows]


def _create_subscription(
    connection: sa.Connection, now: float, **values: Any
) -> dict[str, Any]:
    values = {
        name: value
        for name, value in values.items()
        if name in models.subscription.c and name != "created_at"
    }
    try:
        connection.execute(
            sa.insert(models.subscription).values(
                created_at=now, ovo_version="1.0", **values
            )
        )
    except db_errors.DBDuplicateEntry:
        raise errors.Conflict(kind="subscription", id=values["id"]) from None
    return {"created_at": instant(now)}


def _destroy_subscription(
    connection: sa.Connection, now: float, id: str
) -> dict[str, Any]:
    connection.execute(
        sa.delete(models.subscription).where(models.subscription.c.id == id)
    )
    return {}


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
