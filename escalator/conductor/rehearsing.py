"""The rehearsal of a procedure's undo on its first target (R-2).

The others are not begun before it is over.  See ``domain.rehearsal``.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.db import session, work
from escalator.domain import campaign as rules
from escalator.domain import events, plan, rehearsal, rounds, states

Row = Mapping[str, Any]
Rehearsal = rehearsal.Rehearsal

WAITS = "waits: the undo is rehearsed on one target first"


def is_due(procedure: plan.Procedure, slots: Mapping[str, Row]) -> bool:
    """Say whether no target but one may be begun yet.

    :param slots: host -> slot row, of the procedure.
    """
    return procedure.rehearse_undo and not any(
        row["rehearsal"] == Rehearsal.PASSED for row in slots.values()
    )


def of_slot(row: Row | None, is_rehearsed: bool) -> str:
    """Return where a slot that is begun, or begun again, stands with it."""
    if row is not None and row["rehearsal"] == Rehearsal.PASSED:
        return Rehearsal.PASSED
    return Rehearsal.DUE if is_rehearsed else Rehearsal.NONE


def is_ready(row: Row) -> bool:
    """Say whether a slot is done, and its undo is next."""
    is_active = row["state"] == states.SlotState.ACTIVE
    return bool(is_active and row["rehearsal"] == Rehearsal.READY)


def go_on(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    made: plan.Plan,
    slots: Mapping[str, Mapping[str, Row]],
) -> None:
    """Begin the undo of targets that are done for the first time.

    :param slots: procedure -> host -> slot row.
    """
    ready = [
        row["id"]
        for procedure in made.procedures
        if procedure.rehearse_undo
        for row in slots.get(procedure.id, {}).values()
        if is_ready(row)
    ]
    if not ready:
        return
    views, rows = work.read_views(connection, ready)
    carrier = engines.Carrier(connection, batch, made, rows)
    for view in views.values():
        rack = carrier.standing(view.host).rack
        if engines.is_open_to(campaign, view.host, rack, view.procedure):
            carrier.carry_out(campaign["id"], view, rounds.BEGIN_REHEARSAL)


def judge(
    connection: session.Connection,
    procedure: plan.Procedure,
    slot: rules.SlotView,
    report: events.StepReported,
    decision: rules.Decision,
) -> tuple[events.StepReported, rules.Decision]:
    """Hold a checkpoint that was taken after the undo against the one before.

    :returns: report and decision as they are, or as a failure of the rehearsal:
        then the earlier checkpoint stays the one to go back to.
    """
    step = slot.step(report.step_id)
    is_second = slot.rehearsal == Rehearsal.AGAIN and step.kind == "checkpoint"
    is_taken = report.outcome == events.Outcome.DONE and not decision.is_late
    if not (is_second and is_taken and slot.state is states.SlotState.ACTIVE):
        return report, decision
    spec = next(each for each in procedure.steps if each.id == step.name)
    known = work.checkpoints_of(connection, [slot.id]).get(slot.id, {})
    found = rehearsal.differences(known.get(spec.checkpoint), report.result)
    if not found:
        return report, decision
    failed = dataclasses.replace(report, outcome=events.Outcome.FAILED.value)
    return failed, rounds.refuse_rehearsal(slot, step, found)
