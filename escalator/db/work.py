"""The engine's rows: campaigns, slots, steps, tokens, journal.

Functions take an open connection; the caller owns the transaction.  Rows come
back as mappings, changes go out in one statement for many rows.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from escalator.db import models, session
from escalator.domain import campaign as rules
from escalator.domain import plan, states

Row = Mapping[str, Any]

ACTIVE = (
    states.CampaignState.RUNNING,
    states.CampaignState.PAUSING,
    states.CampaignState.PAUSED,
    states.CampaignState.HOLDING,
    states.CampaignState.SOAKING,
    states.CampaignState.ROLLING_BACK,
)

_IN_FLIGHT = tuple(state.value for state in states.IN_FLIGHT)


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _first(connection: sa.Connection, query: sa.Select[Any]) -> Row | None:
    row = connection.execute(query).mappings().first()
    return dict(row) if row else None


def new_id() -> str:
    """Return a fresh UUID text."""
    return str(uuid.uuid4())


def read_campaign(
    connection: sa.Connection, campaign_id: str, lock: str = ""
) -> Row | None:
    """Return a campaign's row.

    :param lock: ``share`` while reports are applied, ``write`` while the
        campaign itself may move, empty for neither.
    """
    query = sa.select(models.campaign).where(models.campaign.c.id == campaign_id)
    if lock:
        query = query.with_for_update(read=lock == "share")
    return _first(connection, query)


def insert_campaign(connection: sa.Connection, row: Row) -> None:
    """Store a new campaign.

    :raises session.Duplicate: the project used the request key before.
    """
    connection.execute(sa.insert(models.campaign).values(**row))


def campaign_of_request(
    connection: sa.Connection, project_id: str, request_key: str | None
) -> Row:
    """Return the campaign that a request of this key made."""
    query = sa.select(models.campaign).where(
        models.campaign.c.project_id == project_id,
        models.campaign.c.request_key == request_key,
    )
    return dict(connection.execute(query).mappings().one())


def list_active(connection: sa.Connection) -> list[str]:
    """Return the ids of campaigns that the engine has to look at."""
    query = sa.select(models.campaign.c.id).where(
        models.campaign.c.state.in_([state.value for state in ACTIVE])
    )
    return list(connection.execute(query).scalars())


def update_campaign(
    connection: sa.Connection, campaign_id: str, now: float, **values: Any
) -> None:
    """Change a campaign's row."""
    connection.execute(
        sa.update(models.campaign)
        .where(models.campaign.c.id == campaign_id)
        .values(updated_at=now, **values)
    )


def add_plan(
    connection: sa.Connection,
    campaign_id: str,
    rev: int,
    made: Any,
    targets: Sequence[str],
    diff: Mapping[str, Any],
    now: float,
) -> None:
    """Store a plan revision."""
    connection.execute(
        sa.insert(models.plan_rev).values(
            campaign_id=campaign_id,
            rev=rev,
            plan=made,
            targets=list(targets),
            diff=dict(diff),
            created_at=now,
        )
    )


def read_plan(connection: sa.Connection, campaign_id: str, rev: int) -> Row | None:
    """Return one plan revision."""
    query = sa.select(models.plan_rev).where(
        models.plan_rev.c.campaign_id == campaign_id, models.plan_rev.c.rev == rev
    )
    return _first(connection, query)


def read_slots(connection: sa.Connection, campaign_id: str) -> list[Row]:
    """Return every slot of a campaign in the order of opening."""
    query = (
        sa.select(models.slot)
        .where(models.slot.c.campaign_id == campaign_id)
        .order_by(models.slot.c.ordinal)
    )
    return _rows(connection, query)


def count_slots(connection: sa.Connection, campaign_id: str) -> dict[str, Any]:
    """Return procedure -> slot state -> count."""
    query = (
        sa.select(models.slot.c.procedure, models.slot.c.state, sa.func.count())
        .where(models.slot.c.campaign_id == campaign_id)
        .group_by(models.slot.c.procedure, models.slot.c.state)
    )
    found: dict[str, dict[str, int]] = {}
    for procedure, state, count in connection.execute(query):
        found.setdefault(procedure, {})[state] = count
    return found


_UNSEEN = (
    "reason",
    "agent",
    "lease_owner",
    "lease_until",
    "ready_at",
    "expected_s",
    "failure_class",
    "created_at",
    "started_at",
    "ended_at",
)
_VIEWED = tuple(c for c in models.step.c if c.name not in _UNSEEN)
"""Decisions need no more; decoding columns is what a batch spends its time on."""


def read_views(
    connection: sa.Connection, slot_ids: Sequence[str], is_locked: bool = True
) -> tuple[dict[str, rules.SlotView], dict[str, Row]]:
    """Return slots with their steps, and the steps' rows by id.

    The rows are locked in the order of their ids, which keeps two conductors
    from waiting for each other.
    """
    slot_query = sa.select(models.slot).where(models.slot.c.id.in_(slot_ids))
    step_query = sa.select(*_VIEWED).where(models.step.c.slot_id.in_(slot_ids))
    slot_query = slot_query.order_by(models.slot.c.id)
    step_query = step_query.order_by(models.step.c.slot_id, models.step.c.seq)
    if is_locked:
        slot_query = slot_query.with_for_update()
    slots = _rows(connection, slot_query)
    rows: dict[str, Row] = {}
    steps: dict[str, list[rules.StepView]] = {slot["id"]: [] for slot in slots}
    for row in _rows(connection, step_query):
        rows[row["id"]] = row
        steps[row["slot_id"]].append(_step_view(row))
    views = {slot["id"]: _slot_view(slot, steps[slot["id"]]) for slot in slots}
    return views, rows


def _step_view(row: Row) -> rules.StepView:
    return rules.StepView(
        id=row["id"],
        seq=row["seq"],
        name=row["name"],
        kind=row["kind"],
        intent=row["intent"],
        undo_of=row["undo_of"],
        state=states.StepState(row["state"]),
        attempt=row["attempt"],
        retries=row["retries"],
        fence=row["fence"],
        idempotence=row["idempotence"],
        is_mutating=row["is_mutating"],
    )


def _slot_view(slot: Row, steps: list[rules.StepView]) -> rules.SlotView:
    return rules.SlotView(
        id=slot["id"],
        procedure=slot["procedure"],
        host=slot["host"],
        state=states.SlotState(slot["state"]),
        compensations=slot["compensations"],
        steps=tuple(steps),
    )


def slots_of_steps(
    connection: sa.Connection, step_ids: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Return step id -> (slot id, campaign id) of those that exist."""
    query = sa.select(
        models.step.c.id, models.step.c.slot_id, models.step.c.campaign_id
    ).where(models.step.c.id.in_(step_ids))
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


def insert_slots(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store new slots."""
    if rows:
        connection.execute(sa.insert(models.slot), list(rows))


def insert_steps(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store new steps."""
    if rows:
        connection.execute(sa.insert(models.step), list(rows))


def update_rows(
    connection: sa.Connection, table: sa.Table, changes: Mapping[str, Row]
) -> None:
    """Change many rows by id; rows with the same columns go in one statement."""
    batches: dict[tuple[str, ...], dict[str, Row]] = {}
    for row_id, values in changes.items():
        batches.setdefault(tuple(sorted(values)), {})[row_id] = values
    for names, rows in batches.items():
        if connection.dialect.name == "sqlite":
            _update_one_by_one(connection, table, names, rows)
        else:
            _update_at_once(connection, table, names, rows)


def _update_one_by_one(
    connection: sa.Connection,
    table: sa.Table,
    names: tuple[str, ...],
    rows: Mapping[str, Row],
) -> None:
    """No server, no round trips: one prepared statement for many rows."""
    connection.execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("row_id"))
        .values({name: sa.bindparam(f"new_{name}") for name in names}),
        [
            {"row_id": row_id, **{f"new_{name}": values[name] for name in names}}
            for row_id, values in rows.items()
        ],
    )


def _update_at_once(
    connection: sa.Connection,
    table: sa.Table,
    names: tuple[str, ...],
    rows: Mapping[str, Row],
) -> None:
    """One round trip: a value that differs is looked up by the row's id."""
    changed: dict[str, Any] = {}
    for name in names:
        column = table.c[name]
        values = [row[name] for row in rows.values()]
        if all(value == values[0] for value in values):
            changed[name] = values[0]
        else:
            changed[name] = sa.case(
                {
                    row_id: sa.literal(row[name], type_=column.type)
                    for row_id, row in rows.items()
                },
                value=table.c.id,
            )
    connection.execute(
        sa.update(table).where(table.c.id.in_(list(rows))).values(changed)
    )


def write_journal(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Append lines to the journal."""
    if rows:
        connection.execute(sa.insert(models.journal), list(rows))


def read_holds(connection: sa.Connection) -> list[Row]:
    """Return every token that is held, of every campaign."""
    return _rows(connection, sa.select(models.token_hold))


def take_tokens(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store tokens that a slot holds from now on."""
    if rows:
        connection.execute(sa.insert(models.token_hold), list(rows))


def give_back_tokens(connection: sa.Connection, slot_ids: Sequence[str]) -> None:
    """Give back every token of these slots; idempotent."""
    connection.execute(
        sa.delete(models.token_hold).where(models.token_hold.c.slot_id.in_(slot_ids))
    )


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


def lock_admission(connection: sa.Connection) -> None:
    """Serialise admissions: tokens of all campaigns are counted together."""
    connection.execute(
        sa.select(models.latch.c.name)
        .where(models.latch.c.name == "admission")
        .with_for_update()
    ).first()


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
    return _rows(connection, query)


def find_signal(
    connection: sa.Connection, campaign_id: str, request_key: str
) -> Row | None:
    """Return the signal that an earlier request of this key left."""
    query = sa.select(models.signal).where(
        models.signal.c.campaign_id == campaign_id,
        models.signal.c.request_key == request_key,
    )
    return _first(connection, query)


def close_signals(
    connection: sa.Connection, signal_ids: Sequence[int], now: float
) -> None:
    """Mark signals as handled."""
    connection.execute(
        sa.update(models.signal)
        .where(models.signal.c.id.in_(signal_ids))
        .values(handled_at=now)
    )


def count_in_flight(connection: sa.Connection, campaign_id: str) -> int:
    """Return how many steps an agent may be acting on."""
    query = sa.select(sa.func.count()).where(
        models.step.c.campaign_id == campaign_id, models.step.c.state.in_(_IN_FLIGHT)
    )
    return int(connection.execute(query).scalar_one())


def ready_steps(
    database: session.Database,
    connection: sa.Connection,
    campaign_id: str,
    now: float,
    limit: int,
) -> list[Row]:
    """Lock up to ``limit`` steps of open slots whose turn it is."""
    query = (
        sa.select(models.step.c.id, models.step.c.slot_id)
        .where(
            models.step.c.campaign_id == campaign_id,
            models.step.c.state.in_(("ready", "held")),
            sa.or_(models.step.c.ready_at.is_(None), models.step.c.ready_at <= now),
        )
        .limit(limit)
    )
    return _rows(connection, database.lock_free(query))


def expired_steps(
    database: session.Database, connection: sa.Connection, now: float, limit: int
) -> list[Row]:
    """Lock up to ``limit`` steps in flight whose lease has run out."""
    query = (
        sa.select(models.step)
        .where(models.step.c.state.in_(_IN_FLIGHT), models.step.c.lease_until < now)
        .order_by(models.step.c.lease_until)
        .limit(limit)
    )
    return _rows(connection, database.lock_free(query))


def extend_leases(
    connection: sa.Connection, step_ids: Sequence[str], until: float
) -> None:
    """Give steps in flight more time before they are probed."""
    connection.execute(
        sa.update(models.step)
        .where(models.step.c.id.in_(step_ids), models.step.c.state.in_(_IN_FLIGHT))
        .values(lease_until=until)
    )


def step_lines(connection: sa.Connection, slot_ids: Iterable[str]) -> list[Row]:
    """Return the journal lines of the slots' steps with intent ``run``."""
    query = sa.select(
        models.journal.c.seq,
        models.journal.c.slot_id,
        models.journal.c.object_id,
        models.journal.c.to_state,
    ).where(
        models.journal.c.slot_id.in_(list(slot_ids)),
        models.journal.c.object_type == "step",
        models.journal.c.intent == "run",
    )
    return _rows(connection, query)


def checkpoints_of(
    connection: sa.Connection, slot_ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return slot id -> checkpoint id -> content, the latest of each."""
    query = (
        sa.select(models.checkpoint)
        .where(models.checkpoint.c.slot_id.in_(slot_ids))
        .order_by(models.checkpoint.c.created_at)
    )
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["slot_id"], {})[row["checkpoint"]] = row["content"]
    return found


def write_checkpoints(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store checkpoints; one that a repeated step takes again replaces it."""
    if not rows:
        return
    ids = [row["step_id"] for row in rows]
    connection.execute(
        sa.delete(models.checkpoint).where(models.checkpoint.c.step_id.in_(ids))
    )
    connection.execute(sa.insert(models.checkpoint), list(rows))


def active_slots_on(connection: sa.Connection, hosts: Sequence[str]) -> list[Row]:
    """Return slots on these hosts whose campaign is not over."""
    query = (
        sa.select(models.slot)
        .join(models.campaign, models.campaign.c.id == models.slot.c.campaign_id)
        .where(
            models.slot.c.host.in_(hosts),
            models.campaign.c.state.in_([state.value for state in ACTIVE]),
        )
    )
    return _rows(connection, query)


def read_targets(
    connection: sa.Connection, campaign_id: str | None, silent_before: float
) -> list[plan.Target]:
    """Return the inventory as selection and budgets see it.

    A host that another campaign works on is unavailable to this one.

    :param silent_before: agents last heard of earlier count as silent.
    """
    query = sa.select(models.host).where(models.host.c.is_listed)
    return [
        plan.Target(
            name=row.name,
            role=row.role,
            rack=row.rack,
            availability_zone=row.availability_zone,
            tags=tuple(row.tags),
            groups=tuple(row.groups),
            server_groups=tuple(row.server_groups),
            instances=row.instances,
            is_up=row.state == "up" and row.campaign_id in (None, campaign_id),
            is_quarantined=row.is_quarantined,
            has_agent=(row.agent_seen_at or 0.0) >= silent_before,
            facts=row.facts,
        )
        for row in connection.execute(query)
    ]


def open_steps(connection: sa.Connection, campaign_id: str) -> list[Row]:
    """Return the steps that wait or are under way, by host."""
    query = (
        sa.select(models.step)
        .where(
            models.step.c.campaign_id == campaign_id,
            models.step.c.state.in_(("ready", "held", *_IN_FLIGHT)),
        )
        .order_by(models.step.c.host, models.step.c.seq)
    )
    return _rows(connection, query)
