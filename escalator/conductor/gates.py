"""Gates between the stages of a procedure: rows, reasons, an operator's word.

Source: P-4d, E-1; architecture section 3, rule 7.
"""

from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import preflight
from escalator.conductor.wishing import Wish
from escalator.db import gates, session, work
from escalator.domain import ordering, plan, stages, states

Row = Mapping[str, Any]
State = states.GateState

_ASKED = (State.WAITING, State.SOAKING)


def look(
    preflights: preflight.Preflights,
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    situation: admissions.Situation,
) -> Row:
    """Begin stages whose turn it is, and open gates; returns the campaign's row.

    Several gates may open in a row: what follows them may take nobody.  A gate
    opens to a system that passes a preflight (V-5); otherwise an operator is asked.
    None opens by itself outside the change windows (CM-1).
    """
    if not any(each.stages for each in situation.plan.procedures):
        return campaign
    following = ordering.next_procedures(situation.plan.procedures, situation.done())
    for procedure in following:
        for stage in procedure.stages:
            gate = _present(connection, batch, campaign, situation, procedure, stage)
            campaign = _judge(
                preflights,
                connection,
                batch,
                campaign,
                situation,
                (procedure, stage, gate),
            )
            known = situation.gates[procedure.id]
            if known[stage.id].state is not State.OPEN:
                break
    return campaign


def _present(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    situation: admissions.Situation,
    procedure: plan.Procedure,
    stage: plan.Stage,
) -> stages.Gate:
    """Return the gate of a stage; the first look counts who is taken."""
    known = situation.gates.setdefault(procedure.id, {})
    if stage.id not in known:
        take = stages.size(stage, len(situation.selected(procedure)))
        own = work.new_id()
        known[stage.id] = stages.Gate(own, State.CLOSED, take)
        gates.insert(
            connection,
            {
                "id": own,
                "campaign_id": campaign["id"],
                "procedure": procedure.id,
                "stage": stage.id,
                "state": State.CLOSED.value,
                "take": take,
                "reason": "",
                "changed_at": batch.now,
            },
        )
        row = _place(campaign, procedure, stage, known[stage.id])
        _journal(batch, row, "", State.CLOSED, f"takes {take}")
    return known[stage.id]


def _judge(
    preflights: preflight.Preflights,
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    situation: admissions.Situation,
    place: tuple[plan.Procedure, plan.Stage, stages.Gate],
) -> Row:
    procedure, stage, gate = place
    slots = [
        (row["host"], states.SlotState(row["state"]))
        for row in situation.slots.get(procedure.id, {}).values()
        if row["stage"] == stage.id and row["state"] != states.SlotState.REVERTED
    ]
    waiting = situation.progress(procedure).waiting
    now_is = stages.judge(stage, gate, slots, waiting, batch.now)
    if now_is == gate:
        return campaign
    if now_is.state is State.OPEN:
        if situation.hours.closed(situation.now):
            return campaign
        refusal = preflights.ensure(connection, batch, campaign)
        if preflight.is_wait(refusal):
            return campaign
        if refusal:
            now_is = stages.asking(gate, refusal)
    situation.gates[procedure.id][stage.id] = now_is
    name = stages.name(procedure, stage.id)
    reason = situation.standing(procedure).reason
    if now_is.state is State.OPEN:
        reason = f"gate {name} is open"
    _move(connection, batch, _place(campaign, procedure, stage, gate), now_is)
    if now_is.state is State.CLOSED:
        return campaign
    preflights.engine.tell_campaign(connection, batch, campaign, reason)
    return {**campaign, "state_reason": reason}


def _move(
    connection: session.Connection,
    batch: batches.Batch,
    row: Row,
    gate: stages.Gate,
) -> None:
    states.check_move("gate", states.GATE_MOVES, State(row["state"]), gate.state)
    gates.update(
        connection,
        row,
        state=gate.state.value,
        opens_at=gate.opens_at,
        reason=gate.reason,
        changed_at=batch.now,
    )
    _journal(batch, row, row["state"], gate.state, gate.reason)


def _place(
    campaign: Row, procedure: plan.Procedure, stage: plan.Stage, gate: stages.Gate
) -> Row:
    return {
        "id": gate.id,
        "campaign_id": campaign["id"],
        "procedure": procedure.id,
        "stage": stage.id,
        "state": gate.state,
    }


def _journal(batch: batches.Batch, row: Row, before: str, to: str, why: str) -> None:
    name = f"{row['procedure']}/{row['stage']}"
    own = row["campaign_id"]
    batch.journal(own, "gate", row["id"], str(before), str(to), why, name=name)


def shut(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
) -> None:
    """Forget the gates of what a campaign rolls back; idempotent."""
    only = campaign["rollback_procedure"]
    if campaign["rollback_scope"] != "procedure":
        only = ""
    for row in gates.delete(connection, campaign["id"], only):
        _journal(batch, row, row["state"], State.CLOSED, "rolled back")


def approve(
    preflights: preflight.Preflights,
    wish: Wish,
) -> None:
    """Open a gate that waits for an operator, or soaks.

    If a preflight refuses, the gate stays as it is, and the campaign says why.

    :param wish: with ``gate``, as procedure/stage, without it the only one that
        waits; ``reason``.
    :raises InvalidInput: there is no such gate.
    :raises Conflict: it is not asked, or several are and none is named.
    """
    connection, batch, campaign = wish.connection, wish.batch, wish.campaign
    arguments = wish.arguments
    rows = {f"{r['procedure']}/{r['stage']}": r for r in _rows(connection, campaign)}
    wanted = arguments.get("gate") or _only(rows)
    if wanted not in rows:
        known = ", ".join(rows) or "none; no stage has begun"
        raise errors.InvalidInput(
            kind="argument", summary=f"gate: {wanted} is none of: {known}"
        )
    row = rows[wanted]
    if row["state"] not in _ASKED or campaign["state"] in states.ENDED:
        raise errors.Conflict(
            f"Gate {wanted} is {row['state']}, nothing is to be approved; explain says"
            " what the campaign waits for."
        )
    asked = wish.asked("approve")
    if refusal := preflights.make(connection, batch, campaign, asked):
        preflights.engine.tell_campaign(connection, batch, campaign, refusal)
        return
    reason = arguments.get("reason") or "approved by an operator"
    opened = stages.Gate(row["id"], State.OPEN, row["take"], reason=reason)
    _move(connection, batch, row, opened)
    preflights.engine.tell_campaign(
        connection, batch, campaign, f"gate {wanted} is open: {reason}"
    )


def _rows(connection: session.Connection, campaign: Row) -> list[Row]:
    return gates.read(connection, campaign["id"])


def _only(rows: Mapping[str, Row]) -> str:
    asked = [name for name, row in rows.items() if row["state"] == State.WAITING]
    if len(asked) != 1:
        found = f"{', '.join(asked)} wait; name one" if asked else "No gate waits"
        raise errors.Conflict(f"{found}; explain says what the campaign waits for.")
    return asked[0]
