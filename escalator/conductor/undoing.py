"""The undo of one slot as rows, from the journal of what it did (R-2)."""

from collections.abc import Collection, Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.conductor import reckoning
from escalator.db import session, work
from escalator.domain import campaign as rules
from escalator.domain import plan, rollback, states

Row = Mapping[str, Any]

_UNDO_SEQ = 1000
"""Undo rows of round n are numbered from n times this; no visit has as many steps."""


def rows_of(
    connection: session.Connection,
    batch: batches.Batch,
    procedure: plan.Procedure,
    slot: rules.SlotView,
    rows: Mapping[str, Row],
) -> list[dict[str, Any]]:
    """Return the rows of a slot's undo, last done first; none are written.

    :param batch: its lines count as well as those in the database.
    :param rows: step id -> row, of the slot at least.
    """
    given = reckoning.given(procedure, slot, rows)
    specs = {step.id: step for step in given.steps}
    todo = acted(connection, batch, slot, undoable(procedure, slot))
    return [
        batches.undo_row(specs[rows[step_id]["name"]], rows[step_id], at, batch.now)
        for at, step_id in enumerate(todo, start=first_seq(slot))
    ]


def undoable(procedure: plan.Procedure, slot: rules.SlotView) -> set[str]:
    """Return the ids of the slot's steps that change their target and have an undo."""
    specs = {step.id: step for step in procedure.steps}
    return {
        step.id
        for step in slot.steps
        if step.intent == "run" and step.is_mutating and specs[step.name].undo
    }


def acted(
    connection: session.Connection,
    batch: batches.Batch,
    slot: rules.SlotView,
    wanted: Collection[str],
) -> list[str]:
    """Return those of ``wanted`` that may have acted and are not undone, last first."""
    lines = [
        rollback.Line(row["seq"], row["slot_id"], row["object_id"], row["to_state"])
        for row in work.step_lines(connection, [slot.id])
    ]
    top = max((line.seq for line in lines), default=0)
    lines += [
        rollback.Line(top + at, slot.id, line["object_id"], line["to_state"])
        for at, line in enumerate(batch.lines, start=1)
        if line["slot_id"] == slot.id and line["intent"] == "run"
    ]
    return rollback.steps_to_undo(lines, wanted)


def first_seq(slot: rules.SlotView) -> int:
    """Return the number of the first row of the slot's next undo."""
    back = sum(step.intent in ("revert", rules.RESTORE) for step in slot.steps)
    return (back + 1) * _UNDO_SEQ


def reset(
    batch: batches.Batch, slot: rules.SlotView, rows: Mapping[str, Row]
) -> Row | None:
    """Let every step of an undone slot run again; return the first one."""
    first: Row | None = None
    for step in slot.steps:
        if step.intent != "run":
            continue
        row = rows[step.id]
        state = batch.steps.get(step.id, {}).get("state", row["state"])
        if state not in ("reverted", "blocked", "superseded"):
            move = rules.Move(step.id, states.StepState.REVERTED, "runs again")
            batch.move_step(row, move)
        if state != "blocked":
            batch.move_step(row, rules.Move(step.id, states.StepState.BLOCKED))
        batch.steps.setdefault(step.id, {}).update(retries=0, hard_at=None)
        first = first or row
    return first
