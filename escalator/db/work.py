"""The engine's rows: campaigns, slots, steps, tokens, journal.

Functions take an open connection; the caller owns the transaction.  Rows come
back as mappings, changes go out in one statement for many rows.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from escalator.db import fetching, models, session
from escalator.domain import campaign as rules
from escalator.domain import states

Row = Mapping[str, Any]

_AT_REST = (states.CampaignState.SOAKING, states.CampaignState.COMPLETED)
_UNDER_WAY = [each.value for each in fetching.ACTIVE if each not in _AT_REST]


_IN_FLIGHT = tuple(state.value for state in states.IN_FLIGHT)


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
    return fetching.first(connection, query)


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


def list_active(connection: sa.Connection) -> dict[str, float]:
    """Return the campaigns that the engine has to look at.

    :returns: id -> before when it need not, epoch seconds.
    """
    table = models.campaign
    query = sa.select(table.c.id, table.c.look_after).where(
        table.c.state.in_([state.value for state in fetching.ACTIVE])
    )
    return {row.id: row.look_after or 0.0 for row in connection.execute(query)}


def list_under_way(connection: sa.Connection, but: str) -> list[Row]:
    """Return id and plan revision of other campaigns that may have hosts out."""
    table = models.campaign
    query = (
        sa.select(table.c.id, table.c.plan_rev)
        .where(table.c.id != but, table.c.state.in_(_UNDER_WAY))
        .order_by(table.c.id)
    )
    return fetching.fetch(connection, query)


def rest(connection: sa.Connection, campaign_id: str, until: float) -> None:
    """Keep conductors from looking at a campaign until then."""
    connection.execute(
        sa.update(models.campaign)
        .where(models.campaign.c.id == campaign_id)
        .values(look_after=until)
    )


def update_campaign(
    connection: sa.Connection, campaign_id: str, now: float, **values: Any
) -> None:
    """Change a campaign's row."""
    connection.execute(
        sa.update(models.campaign)
        .where(models.campaign.c.id == campaign_id)
        .values(updated_at=now, **values)
    )


def read_slots(
    connection: sa.Connection,
    campaign_id: str,
    only: states.SlotState | None = None,
) -> list[Row]:
    """Return a campaign's slots in the order of opening.

    :param only: a state to which they are limited.
    """
    query = (
        sa.select(models.slot)
        .where(models.slot.c.campaign_id == campaign_id)
        .order_by(models.slot.c.ordinal)
    )
    if only is not None:
        query = query.where(models.slot.c.state == only.value)
    return fetching.fetch(connection, query)


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
    slots = fetching.fetch(connection, slot_query)
    rows: dict[str, Row] = {}
    steps: dict[str, list[rules.StepView]] = {slot["id"]: [] for slot in slots}
    for row in fetching.fetch(connection, step_query):
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
        reruns=slot["reruns"],
        rehearsal=slot["rehearsal"],
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


def delete_slot(connection: sa.Connection, slot_id: str) -> None:
    """Forget a slot that never had a step."""
    connection.execute(sa.delete(models.slot).where(models.slot.c.id == slot_id))


def insert_steps(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store new steps."""
    if rows:
        connection.execute(sa.insert(models.step), list(rows))


def write_journal(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Append lines to the journal."""
    if rows:
        connection.execute(sa.insert(models.journal), list(rows))


def count_in_flight(connection: sa.Connection, campaign_id: str) -> int:
    """Return how many steps an agent may be acting on."""
    query = sa.select(sa.func.count()).where(
        models.step.c.campaign_id == campaign_id, models.step.c.state.in_(_IN_FLIGHT)
    )
    return int(connection.execute(query).scalar_one())


def slots_in_flight(connection: sa.Connection, campaign_id: str) -> set[str]:
    """Return the ids of slots of which an agent may be acting on a step."""
    query = sa.select(models.step.c.slot_id).where(
        models.step.c.campaign_id == campaign_id, models.step.c.state.in_(_IN_FLIGHT)
    )
    return set(connection.execute(query).scalars())


def ready_steps(
    database: session.Database,
    connection: sa.Connection,
    campaign_id: str,
    now: float,
    limit: int,
) -> list[Row]:
    """Lock up to ``limit`` steps of open slots whose turn it is, held ones last."""
    query = (
        sa.select(models.step.c.id, models.step.c.slot_id)
        .where(
            models.step.c.campaign_id == campaign_id,
            models.step.c.state.in_(("ready", "held")),
            sa.or_(models.step.c.ready_at.is_(None), models.step.c.ready_at <= now),
        )
        .order_by(models.step.c.state.desc())
        .limit(limit)
    )
    return fetching.fetch(connection, database.lock_free(query))


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
    return fetching.fetch(connection, database.lock_free(query))


def extend_leases(
    connection: sa.Connection, step_ids: Sequence[str], until: float
) -> None:
    """Give steps in flight more time before they are probed."""
    connection.execute(
        sa.update(models.step)
        .where(models.step.c.id.in_(step_ids), models.step.c.state.in_(_IN_FLIGHT))
        .values(lease_until=until)
    )


def last_move_reason(connection: sa.Connection, campaign_id: str, state: str) -> str:
    """Return why a campaign moved into a state the last time, or ""."""
    line = models.journal.c
    query = (
        sa.select(line.detail)
        .where(
            line.campaign_id == campaign_id,
            line.object_type == "campaign",
            line.to_state == state,
            line.from_state != state,
            line.from_state != "",
        )
        .order_by(line.seq.desc())
        .limit(1)
    )
    return str(connection.execute(query).scalar() or "")


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
    return fetching.fetch(connection, query)


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
    return fetching.fetch(connection, query)


def read_reboot_windows(
    connection: sa.Connection, hosts: Sequence[str]
) -> dict[str, float]:
    """Return until when a step under way may keep each host down, epoch seconds."""
    if not hosts:
        return {}
    table = models.step
    query = (
        sa.select(table.c.host, sa.func.max(table.c.hard_at))
        .where(
            table.c.host.in_(hosts),
            table.c.may_reboot,
            table.c.state.in_(_IN_FLIGHT),
            table.c.hard_at.is_not(None),
        )
        .group_by(table.c.host)
    )
    return {host: end for host, end in connection.execute(query).all()}
