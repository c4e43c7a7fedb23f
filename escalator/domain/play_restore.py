"""The ``restore`` rung in a simulated run, as the engine takes it.  Pure (P-2, R-1)."""

from collections.abc import Sequence

from escalator.domain import campaign, plan, restoring
from escalator.domain.play_slot import Slot

Undo = list[tuple[plan.Step, str]]
"""Steps and the actions that undo them; the next one is the last."""

RESTORE = "(restore)"
"""In place of an action: nothing is learned of it, what its steps need counts."""


def is_possible(slot: Slot, failure_class: str) -> bool:
    """Say whether the rung is left, and a checkpoint covers what failed."""
    procedure = slot.procedure
    checkpoint = _checkpoint(procedure, slot.acted)
    if checkpoint is None:
        return False
    if not restoring.is_left(procedure, slot.restores, failure_class):
        return False
    if not slot.undo or slot.step.kind == "checkpoint":
        return True
    return slot.step.id in restoring.covered(procedure, checkpoint)


def next_rung(slot: Slot, failure_class: str) -> plan.Rung:
    """Return the rung that a failed step's slot takes."""
    return campaign.next_rung(
        slot.procedure.ladder,
        failure_class,
        slot.retries,
        slot.compensations,
        is_possible(slot, failure_class),
    )


def undo_of(slot: Slot) -> Undo:
    """Return the whole undo of what a slot did."""
    acted = [slot.procedure.steps[at] for at in slot.acted]
    return [(step, step.undo[0].action) for step in acted if step.undo]


def begin(slot: Slot) -> None:
    """Let a slot be undone, or further undone, with its checkpoint put back."""
    checkpoint = _checkpoint(slot.procedure, slot.acted)
    if checkpoint is None:
        return
    names = restoring.covered(slot.procedure, checkpoint)
    undo = slot.undo or undo_of(slot)
    undos = {step.id: (step, action) for step, action in undo}
    acted = [slot.procedure.steps[at].id for at in slot.acted]
    left = [each for each in reversed(acted) if each in undos or each in names]
    restore = (restoring.step_of(slot.procedure, checkpoint), RESTORE)
    chain = [
        restore if each is None else undos[each]
        for each in restoring.stand_in(left, names)
    ]
    slot.undo = chain[::-1]
    slot.restores += 1
    slot.retries = 0
    slot.ticket += 1


def _checkpoint(procedure: plan.Procedure, acted: Sequence[int]) -> plan.Step | None:
    changed = {procedure.steps[at].id for at in acted}
    for each in procedure.steps:
        if each.kind == "checkpoint" and changed & restoring.covered(procedure, each):
            return each
    return None
