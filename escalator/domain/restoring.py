"""The ``restore`` rung: a target's checkpoint stands in for the undo of steps.  Pure.

What a checkpoint covers, its driver says: the actions whose changes it puts back.
Everything else that the target went through is undone as ever, in reverse.
Source: R-1, P-4c.
"""

import dataclasses
import fnmatch
from collections.abc import Collection, Sequence

from escalator.domain import plan, states
from escalator.domain.decision import RESTORE, SlotView, StepView
from escalator.domain.states import StepState

CHANGED = states.MAY_HAVE_ACTED | {StepState.REVERTING, StepState.SUPERSEDED}
"""States of steps that may have left something on the target."""

_NOT_UNDONE = (StepState.REVERTING, StepState.REVERT_FAILED)


def is_covered(checkpoint: plan.Step, step: plan.Step) -> bool:
    """Say whether a checkpoint that is older than a step can stand in for its undo."""
    return (
        step.is_mutating
        and step.executor == checkpoint.executor
        and matches(checkpoint.covers, step.action)
    )


def matches(covers: Collection[str], action: str) -> bool:
    """Say whether one of the patterns names the action."""
    return any(fnmatch.fnmatchcase(action, each) for each in covers)


def covered(procedure: plan.Procedure, checkpoint: plan.Step) -> frozenset[str]:
    """Return the ids of the procedure's steps that a checkpoint covers."""
    ids = [step.id for step in procedure.steps]
    later = procedure.steps[ids.index(checkpoint.id) + 1 :]
    return frozenset(step.id for step in later if is_covered(checkpoint, step))


def checkpoint_for(procedure: plan.Procedure, slot: SlotView) -> plan.Step | None:
    """Return the first checkpoint of this visit that can put something back, or None.

    The first one: what was changed between two checkpoints comes back too.  If undos
    failed, it covers these.
    """
    own = {step.name: step for step in slot.steps if step.intent == "run"}
    failed = {name for name, step in own.items() if step.state in _NOT_UNDONE}
    for each in procedure.steps:
        if each.kind != "checkpoint" or own[each.id].state is not StepState.DONE:
            continue
        names = covered(procedure, each)
        if failed <= names and any(own[name].state in CHANGED for name in names):
            return each
    return None


def judged(procedure: plan.Procedure, slot: SlotView, failure_class: str) -> SlotView:
    """Return the slot with ``can_restore`` as a failure of one of its steps finds it.

    A rung has to be left that answers to the class, and a checkpoint that covers
    something that may have changed: of an undo that failed, just that.
    """
    is_possible = (
        is_left(procedure, slot.restores, failure_class)
        and checkpoint_for(procedure, slot) is not None
    )
    return dataclasses.replace(slot, can_restore=is_possible)


def is_left(procedure: plan.Procedure, restores: int, failure_class: str) -> bool:
    """Say whether a rung answers to the class and is not used up."""
    return any(
        rung.attempt == plan.Try.RESTORE
        and restores < rung.times
        and (not rung.classes or failure_class in rung.classes)
        for rung in procedure.ladder
    )


def stand_in(acted: Sequence[str], replaced: Collection[str]) -> list[str | None]:
    """Return what is undone, in order; None in it is the restore.

    :param acted: step ids, last done first.
    :param replaced: those that the checkpoint covers.
    """
    found: list[str | None] = []
    for step_id in acted:
        if step_id not in replaced:
            found.append(step_id)
        elif None not in found:
            found.append(None)
    return found


def step_of(procedure: plan.Procedure, checkpoint: plan.Step) -> plan.Step:
    """Return the step that puts a checkpoint back.

    It may take as long as the steps together that it stands in for.

    :param procedure: with the times of the host.
    """
    names = covered(procedure, checkpoint)
    replaced = [step for step in procedure.steps if step.id in names]
    return dataclasses.replace(
        checkpoint,
        expected_s=sum(step.expected_s for step in replaced),
        timeout_s=sum(step.timeout_s for step in replaced),
        idempotence=plan.Idempotence.NATURAL,
        is_mutating=True,
        may_reboot=any(step.may_reboot for step in replaced),
    )


def is_forgotten(step: StepView) -> bool:
    """Say whether a step is a restore of an earlier round, not to be counted again."""
    over = (StepState.DONE, StepState.FAILED)
    return step.intent == RESTORE and step.state in over
