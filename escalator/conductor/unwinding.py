"""Rolling back: slots are undone in reverse, through the same budgets.

Source: architecture section 3, rule 6; R-0, R-2.
"""

from collections.abc import Collection, Mapping
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import gates, restoring
from escalator.db import session, tokens, work
from escalator.domain import campaign as rules
from escalator.domain import ordering, plan, rollback, states

Row = Mapping[str, Any]

_TO_UNDO = (
    states.SlotState.ACTIVE,
    states.SlotState.UNDONE,
    states.SlotState.DONE,
    states.SlotState.FAILED,
)
_UNDER_WAY = (states.SlotState.UNDOING, states.SlotState.REVERTING)


class Unwinding:
    """Undoes what a campaign did."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    def go_on(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        situation: admissions.Situation,
    ) -> Row:
        """Undo every slot that may be undone now; return the campaign's row.

        Ends the rollback when nothing is left.
        """
        if situation.gates:
            gates.shut(connection, batch, campaign)
        rows = {row["id"]: row for row in _in_scope(campaign, situation)}
        levels = {each.id: each.level for each in situation.plan.procedures}
        todo = {i: r for i, r in rows.items() if r["state"] in _TO_UNDO}
        busy = [r for r in rows.values() if r["state"] in _UNDER_WAY]
        if not todo and not busy:
            return self._end(
                connection, batch, campaign, situation, list(rows.values())
            )
        left = {row["procedure"] for row in [*todo.values(), *busy]}
        later = rollback.held_back(situation.plan.procedures, left)
        lines = self._lines(connection, todo)
        order = rollback.slots_to_undo(
            lines, levels, {i: row["procedure"] for i, row in todo.items()}
        )
        order.sort(key=lambda slot_id: todo[slot_id]["procedure"] in later)
        waits: list[admissions.Wait] = []
        for slot_id in order:
            row = todo[slot_id]
            reason = _not_yet(later, row)
            if not reason:
                reason = self._undo(connection, batch, campaign, situation, row)
            if reason:
                waits.append(admissions.Wait(row["host"], row["procedure"], reason))
        if waits and not busy and not batch.messages:
            self._tell_stuck(connection, batch, campaign, waits[0])
        return campaign

    def try_again(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> list[str]:
        """Let failed undos be tried once more; return their hosts."""
        failed = work.read_slots(
            connection, campaign["id"], states.SlotState.UNDO_FAILED
        )
        for row in failed:
            to, reason = states.SlotState.FAILED, "its undo is tried again"
            batch.move_slot(row, to, campaign["id"], reason)
        return [row["host"] for row in failed]

    def _tell_stuck(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        wait: admissions.Wait,
    ) -> None:
        """Say once that the rollback waits for a person."""
        reason = f"stuck: {wait.host}: {wait.reason}"
        is_told = campaign["state_reason"] == reason
        if not is_told and not work.count_in_flight(connection, campaign["id"]):
            self.engine.tell_campaign(connection, batch, campaign, reason)

    def _lines(
        self, connection: session.Connection, todo: Mapping[str, Row]
    ) -> list[rollback.Line]:
        return [
            rollback.Line(row["seq"], row["slot_id"], row["object_id"], row["to_state"])
            for row in work.step_lines(connection, todo)
        ]

    def _undo(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        situation: admissions.Situation,
        row: Row,
    ) -> str:
        """Begin the undo of one slot, or return why it waits."""
        views, steps = work.read_views(connection, [row["id"]])
        view = views[row["id"]]
        flying = work.slots_in_flight(connection, campaign["id"])
        target, reason = judge(situation, row, view, flying)
        if target is None or reason:
            return reason
        procedure = situation.plan.procedure(row["procedure"])
        situation.ledger.take(target, situation.needed(procedure))
        tokens.give_back_tokens(connection, [row["id"]])
        tokens.take_tokens(
            connection,
            admissions.token_rows(situation.plan, procedure, target, row),
        )
        hosted = admissions.what_is_on(target)
        batch.slots.setdefault(row["id"], {}).update(hosted)
        carrier = engines.Carrier(connection, batch, situation.plan, steps)
        _supersede(batch, view, steps)
        self._revert(batch, campaign, carrier, view)
        situation.slots[procedure.id][row["host"]] = {
            **row,
            "state": batch.slots[row["id"]]["state"],
        }
        return ""

    def _revert(
        self,
        batch: batches.Batch,
        campaign: Row,
        carrier: engines.Carrier,
        view: rules.SlotView,
    ) -> None:
        batch.move_slot(view, states.SlotState.REVERTING, campaign["id"])
        carrier.begin_undo(campaign["id"], view, states.SlotState.REVERTING)

    def _end(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        situation: admissions.Situation,
        rows: list[Row],
    ) -> Row:
        is_partial = (
            campaign["rollback_scope"] == "procedure"
            and len([p for p, s in situation.slots.items() if s]) > 1
        )
        state, reason = rules.rollback_outcome(
            [states.SlotState(row["state"]) for row in rows], is_partial
        )
        trigger = work.last_move_reason(connection, campaign["id"], campaign["state"])
        return self.engine.move_campaign(
            connection, batch, campaign, state, f"{reason}; {trigger}"
        )


def _in_scope(campaign: Row, situation: admissions.Situation) -> list[Row]:
    return [
        row
        for procedure, slots in situation.slots.items()
        if campaign["rollback_scope"] != "procedure"
        or procedure == campaign["rollback_procedure"]
        for row in slots.values()
    ]


def _not_yet(later: Mapping[str, str], row: Row) -> str:
    """Return why the undo of a slot is not due yet, or ""."""
    first = later.get(row["procedure"])
    return f"waits: {first} is undone first" if first else ""


def judge(
    situation: admissions.Situation,
    row: Row,
    view: rules.SlotView,
    flying: Collection[str],
) -> tuple[plan.Target | None, str]:
    """Return the target of a slot, and why its undo must wait or "" (pure).

    :param flying: ids of slots of which an agent may be acting on a step.
    """
    procedure = situation.plan.procedure(row["procedure"])
    target = next((t for t in situation.targets if t.name == row["host"]), None)
    if target is None:
        return None, "waits: the host left the inventory"
    if not target.has_agent and _needs_agent(procedure, view):
        return target, "waits: its agent is silent"
    under_way = sum(
        1
        for each in situation.slots[procedure.id].values()
        if each["state"] in _UNDER_WAY
        or (each["id"] in flying and each["id"] != row["id"])
    )
    parallel = ordering.parallel_limit(procedure, len(situation.slots[procedure.id]))
    if under_way >= parallel:
        return target, f"waits: {parallel} targets are worked on already"
    refusals = situation.ledger.refusals(target, situation.needed(procedure))
    if refusals:
        return target, "; ".join(refusal.text() for refusal in refusals)
    if any(step.state in states.IN_FLIGHT for step in view.steps):
        return target, "waits: the agent finishes its present step"
    return target, ""


def _needs_agent(procedure: plan.Procedure, view: rules.SlotView) -> bool:
    """Say whether the host's own agent has something to undo.

    Ordered while it is silent, the undo would be lost, and given up.
    """
    undos = {step.id: step.undo for step in procedure.steps}
    return any(
        step.intent == "run"
        and step.state in states.MAY_HAVE_ACTED
        and any(undo.executor == "node" for undo in undos[step.name])
        for step in view.steps
    )


def explain(
    connection: session.Connection, campaign: Row, situation: admissions.Situation
) -> list[admissions.Wait]:
    """Return every slot that is to be undone, and what it waits for."""
    flying = work.slots_in_flight(connection, campaign["id"])
    waits: list[admissions.Wait] = []
    rows = _in_scope(campaign, situation)
    todo = {row["id"]: row for row in rows if row["state"] in _TO_UNDO}
    busy = {row["procedure"] for row in rows if row["state"] in _UNDER_WAY}
    left = busy | {row["procedure"] for row in todo.values()}
    later = rollback.held_back(situation.plan.procedures, left)
    views, _ = work.read_views(connection, list(todo), is_locked=False)
    for slot_id, row in todo.items():
        reason = _not_yet(later, row)
        if not reason:
            _, reason = judge(situation, row, views[slot_id], flying)
        waits.append(
            admissions.Wait(row["host"], row["procedure"], reason or "is undone next")
        )
    return waits


def _supersede(
    batch: batches.Batch, view: rules.SlotView, steps: Mapping[str, Row]
) -> None:
    """End the steps that will never run."""
    for step in view.steps:
        if step.state in (
            states.StepState.BLOCKED,
            states.StepState.READY,
            states.StepState.HELD,
        ):
            batch.move_step(
                steps[step.id],
                rules.Move(step.id, states.StepState.SUPERSEDED, "the slot is undone"),
            )
    restoring.forget(batch, view, steps)
