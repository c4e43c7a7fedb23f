"""The undo of one slot as rows, from the journal of what it did (R-2)."""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.db import session, work
from escalator.domain import campaign as rules
from escalator.domain import plan, rollback

Row = Mapping[str, Any]

_UNDO_SEQ = 1000
"""Undo rows of round n are numbered from n times this; files have fewer steps."""


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
    specs = {step.id: step for step in procedure.steps}
    undoable = {
        step.id
        for step in slot.steps
        if step.intent == "run" and step.is_mutating and specs[step.name].undo
    }
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
    rounds = sum(1 for step in slot.steps if step.intent == "revert") + 1
    start = rounds * _UNDO_SEQ
    return [
        batches.undo_row(
            specs[rows[step_id]["name"]], rows[step_id], start + at, batch.now
        )
        for at, step_id in enumerate(rollback.steps_to_undo(lines, undoable))
    ]
