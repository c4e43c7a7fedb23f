"""A target's checkpoint put back in place of an undo, as rows (R-1).

The restore is a step of its own in the chain of the undo: the steps that the
checkpoint covers are reverted by it at once, all others by their own undo.
"""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.conductor import reckoning, undoing
from escalator.db import restores, session, work
from escalator.domain import campaign as rules
from escalator.domain import plan, restoring, states

Row = Mapping[str, Any]

_WAITING = (states.StepState.BLOCKED, states.StepState.READY, states.StepState.HELD)


def rows_of(
    connection: session.Connection,
    batch: batches.Batch,
    procedure: plan.Procedure,
    slot: rules.SlotView,
    rows: Mapping[str, Row],
) -> list[dict[str, Any]]:
    """Return the rows of a slot's undo with the restore in its place.

    What is left of an earlier undo is superseded; otherwise nothing is written.
    """
    checkpoint = restoring.checkpoint_for(procedure, slot)
    if checkpoint is None:
        return undoing.rows_of(connection, batch, procedure, slot, rows)
    for step in slot.steps:
        if step.intent != "run" and step.state in _WAITING:
            told = "the checkpoint is put back"
            move = rules.Move(step.id, states.StepState.SUPERSEDED, told)
            batch.move_step(rows[step.id], move)
    names = restoring.covered(procedure, checkpoint)
    replaced = {
        step.id for step in slot.steps if step.intent == "run" and step.name in names
    }
    undoable = undoing.undoable(procedure, slot) | replaced
    acted = undoing.acted(connection, batch, slot, undoable)
    chain = restoring.stand_in(acted, replaced)
    given = reckoning.given(procedure, slot, rows)
    specs = {step.id: step for step in given.steps}
    start, campaign_id = undoing.first_seq(slot), rows[slot.steps[0].id]["campaign_id"]
    return [
        batches.undo_row(specs[rows[step_id]["name"]], rows[step_id], at, batch.now)
        if step_id is not None
        else _row(batch, restoring.step_of(given, checkpoint), campaign_id, slot, at)
        for at, step_id in enumerate(chain, start=start)
    ]


def _row(
    batch: batches.Batch,
    step: plan.Step,
    campaign_id: str,
    slot: rules.SlotView,
    seq: int,
) -> dict[str, Any]:
    (row,) = batches.rows_of_steps(
        [step], campaign_id, slot.id, slot.procedure, slot.host, batch.now
    )
    row.update(seq=seq, intent=rules.RESTORE, state="blocked")
    return row


def settle(
    batch: batches.Batch,
    procedure: plan.Procedure,
    slot: rules.SlotView,
    rows: Mapping[str, Row],
) -> None:
    """Count everything as reverted that the restore under way has brought back."""
    (restored,) = [
        step.name
        for step in slot.steps
        if step.intent == rules.RESTORE and step.state in states.IN_FLIGHT
    ]
    checkpoint = next(each for each in procedure.steps if each.id == restored)
    names = restoring.covered(procedure, checkpoint)
    for step in slot.steps:
        is_back = step.intent == "run" and step.name in names
        if is_back and step.state in restoring.CHANGED:
            told = f"{checkpoint.id} is put back"
            move = rules.Move(step.id, states.StepState.REVERTED, told)
            batch.move_step(rows[step.id], move)


def taken_along(
    connection: session.Connection,
    procedure: plan.Procedure,
    row: Row,
    rows: Mapping[str, Row],
) -> tuple[Row | None, dict[str, Any]]:
    """Return the step that a step undoes, and checkpoint id -> content for its order.

    An undo gets every checkpoint of its slot, a restore the one that it puts back.
    """
    if row["intent"] == rules.RESTORE:
        (taken,) = [
            each["id"]
            for each in rows.values()
            if each["slot_id"] == row["slot_id"]
            and (each["name"], each["intent"]) == (row["name"], "run")
        ]
        spec = next(each for each in procedure.steps if each.id == row["name"])
        return None, {spec.checkpoint: restores.read_content(connection, taken)}
    if not row["undo_of"]:
        return None, {}
    found = work.checkpoints_of(connection, [row["slot_id"]])
    return rows[row["undo_of"]], found.get(row["slot_id"], {})


def forget(batch: batches.Batch, slot: rules.SlotView, rows: Mapping[str, Row]) -> None:
    """Let the restores of a round that is over not count any more."""
    for step in slot.steps:
        if restoring.is_forgotten(step):
            told = "of an earlier round"
            move = rules.Move(step.id, states.StepState.SUPERSEDED, told)
            batch.move_step(rows[step.id], move)
