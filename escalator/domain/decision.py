"""What decisions about a slot are made of: its rows as values, and what follows.

Pure.  Source: architecture section 3.
"""

import dataclasses

from escalator.domain import events
from escalator.domain.rehearsal import Rehearsal
from escalator.domain.states import SlotState, StepState

RESTORE = "restore"
"""Intent of the step that puts a target's checkpoint back."""


@dataclasses.dataclass(frozen=True, slots=True)
class StepView:
    """A step's row, as far as decisions need it."""

    id: str
    seq: int
    name: str
    kind: str
    intent: str
    undo_of: str | None
    state: StepState
    attempt: int
    retries: int
    fence: int
    idempotence: str
    is_mutating: bool


@dataclasses.dataclass(frozen=True, slots=True)
class SlotView:
    """A slot's row with the rows of its steps, by ``seq``.

    :ivar reruns: how often it was undone and begun anew, for whatever reason.
    :ivar rehearsal: see ``domain.rehearsal``.
    :ivar can_restore: a ``restore`` rung is left for the failure that is judged,
        and the target has a checkpoint for it; see ``domain.restoring``.
    """

    id: str
    procedure: str
    host: str
    state: SlotState
    compensations: int
    steps: tuple[StepView, ...]
    reruns: int = 0
    rehearsal: str = Rehearsal.NONE
    can_restore: bool = False

    @property
    def restores(self) -> int:
        """How often its checkpoint was put back, or tried to, in this round."""
        return sum(
            step.intent == RESTORE and step.state is not StepState.SUPERSEDED
            for step in self.steps
        )

    def step(self, step_id: str) -> StepView:
        """Return the step of that id.

        :raises KeyError: there is none.
        """
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """One row changes its state.

    :ivar is_order: the row is to be dispatched: the engine raises the fence,
        sets lease and deadline and writes the order into the outbox.
    :ivar is_resumed: an earlier attempt may have acted.
    :ivar delay_s: of a retry: not before this many seconds from now.
    """

    step_id: str
    to: StepState
    reason: str = ""
    failure_class: str = ""
    is_order: bool = False
    is_resumed: bool = False
    delay_s: float = 0.0
    is_retry: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Escalation:
    """What a slot asks of its campaign: ``hold``, ``page`` or ``rollback``.

    :ivar severity: of the news to the campaign's owner.
    """

    kind: str
    scope: str
    procedure: str
    reason: str
    severity: str = events.INFO


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """:ivar slot_to: new state of the slot, or None.
    :ivar is_undo_due: compute the slot's undo from the journal and begin it.
    :ivar is_restore_due: the same, with the checkpoint in place of the undo of
        what it covers.
    :ivar is_restored: the checkpoint is back: what it covers is reverted.
    :ivar is_rerun_due: the slot is undone; run it again from its first step.
    :ivar is_evacuation_due: move the host's instances away, then quarantine it.
    :ivar is_late: the report changes nothing and is journalled as late.
    :ivar is_resent: the same attempt is cast again.
    :ivar rehearsal: where the slot stands with it from now on, or None.
    """

    moves: tuple[Move, ...] = ()
    slot_to: SlotState | None = None
    reason: str = ""
    is_undo_due: bool = False
    is_restore_due: bool = False
    is_restored: bool = False
    is_rerun_due: bool = False
    is_evacuation_due: bool = False
    is_late: bool = False
    is_resent: bool = False
    is_quarantine: bool = False
    escalation: Escalation | None = None
    rehearsal: str | None = None


LATE = Decision(is_late=True)
