"""The ``restore`` rung in a simulated run, as the engine takes it.  Pure (P-2, R-1)."""

from escalator.domain import campaign, plan, restoring
from escalator.domain.play_slot import Slot

Undo = list[tuple[plan.Step, str]]
"""Steps and the actions that undo them; the next one is the last."""

RESTORE = "(restore)"
"""In place of an action: nothing is learned of it, what its steps need counts."""


def is_possible(slot: Slot, failure_class: str) -> bool:
    """Say whether the rung is left, and a checkpoint covers what failed."""
    is_left = restoring.is_left(slot.procedure, slot.restores, failure_class)
    return is_left and _checkpoint(slot) is not None


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
    checkpoint = _checkpoint(slot)
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


def _checkpoint(slot: Slot) -> plan.Step | None:
    steps = slot.procedure.steps
    changed = {steps[at].id for at in slot.acted}
    failed = {slot.step.id} if slot.undo and slot.step.kind != "checkpoint" else set()
    for each in steps:
        names = restoring.covered(slot.procedure, each)
        if each.kind == "checkpoint" and changed & names and failed <= names:
            return each
    return None
