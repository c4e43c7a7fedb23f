"""A host on its way through a procedure, in a simulated run (P-2)."""

import dataclasses

from escalator.domain.plan import Procedure, Step, Target
from escalator.domain.states import SlotState


@dataclasses.dataclass(slots=True, eq=False)
class Slot:
    """One host's way through one procedure.

    :ivar at: index of the present step; of an undo: how many are left.
    :ivar acted: indices of steps that may have changed the host, in order.
    :ivar ticket: raised when what was due must not come any more.
    """

    procedure: Procedure
    target: Target
    state: SlotState = SlotState.ACTIVE
    at: int = 0
    retries: int = 0
    compensations: int = 0
    restores: int = 0
    acted: list[int] = dataclasses.field(default_factory=list)
    undo: list[tuple[Step, str]] = dataclasses.field(default_factory=list)
    is_flying: bool = False
    ticket: int = 0
    last_acted: int = 0

    @property
    def step(self) -> Step:
        """The step that runs or is undone."""
        return self.undo[-1][0] if self.undo else self.procedure.steps[self.at]

    @property
    def action(self) -> str:
        """The action that runs, or undoes."""
        return self.undo[-1][1] if self.undo else self.step.action
