"""Does a campaign hold what scales by itself? (S-7)  Pure."""

from collections.abc import Iterable

from escalator.domain import plan
from escalator.domain.states import StepState

HOLD = "scaling.hold"
RELEASE = "scaling.release"

_CARRIED_OUT = frozenset({StepState.DONE, StepState.REVERTED})


def is_held(made: plan.Plan, begun: Iterable[tuple[str, str, str, StepState]]) -> bool:
    """Say whether a campaign has held scaling last, or may have.

    :param begun: procedure, step, action and state of the steps that were begun, in
        this order, those of the way back with them.  A hold that failed may hold.
    """
    others = {
        (procedure.id, step.id)
        for procedure in made.procedures
        for step in procedure.steps
        if step.params.get("holder")
    }
    held = False
    for procedure, step, action, state in begun:
        if (procedure, step) in others:
            continue
        if action == HOLD:
            held = True
        elif action == RELEASE and state in _CARRIED_OUT:
            held = False
    return held
