"""A slot that was undone, and runs again from its first step.  Pure.

Source: P-4c (compensation), R-2 (forward again after a rollback, rehearsal).
"""

import dataclasses

from escalator.domain.campaign import Decision, Escalation, Move, SlotView, StepView
from escalator.domain.rehearsal import Rehearsal
from escalator.domain.states import SlotState, StepState

BEGIN_REHEARSAL = Decision(
    slot_to=SlotState.UNDOING,
    reason="its undo is rehearsed",
    is_undo_due=True,
    rehearsal=Rehearsal.UNDOING,
)
"""Everything is done on the first target, and is undone to see that it can be."""


def next_round(slot: SlotView) -> tuple[SlotView, str]:
    """Return an undone or reverted slot as it runs again, and why it does.

    A round counts as a compensation only if a failure made it necessary.
    """
    round_ = dataclasses.replace(slot, reruns=slot.reruns + 1)
    if slot.state is SlotState.REVERTED:
        return dataclasses.replace(round_, compensations=0), "run again"
    round_ = dataclasses.replace(round_, state=SlotState.UNDONE)
    if slot.rehearsal == Rehearsal.UNDOING:
        again = dataclasses.replace(round_, rehearsal=Rehearsal.AGAIN)
        return again, "run again after the rehearsal of its undo"
    times = slot.compensations + 1
    return (
        dataclasses.replace(round_, compensations=times),
        f"run again after compensation {times}",
    )


def refuse_rehearsal(slot: SlotView, step: StepView, difference: str) -> Decision:
    """Hold the campaign: the undo did not bring back what was there."""
    detail = f"its undo left a difference at {step.name}: {difference}"
    reason = f"{slot.host}: rehearsal of the undo failed: {detail}"
    return Decision(
        (Move(step.id, StepState.FAILED, detail, "verification"),),
        SlotState.FAILED,
        detail,
        escalation=Escalation("hold", "campaign", slot.procedure, reason),
    )
