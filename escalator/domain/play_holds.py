"""Procedures that hold in a simulated run while the others go on.  Pure.

As ``conductor.holding`` does it.  Source: P-2, P-4c, E-4.
"""

from escalator.domain.play_slot import Slot
from escalator.domain.states import SlotState


class Holds:
    """:ivar why: the procedures that hold, each with the reason."""

    def __init__(self) -> None:
        self.why: dict[str, str] = {}
        self._kept: list[Slot] = []

    def keeps(self, slot: Slot) -> bool:
        """Say whether a slot gets no order because its procedure holds."""
        if slot.procedure.id not in self.why:
            return False
        self._kept.append(slot)
        return True

    def end(self) -> list[Slot]:
        """Let everything be rolled back; return undos that waited to go on."""
        self.why.clear()
        kept, self._kept = self._kept, []
        return [each for each in kept if each.state is SlotState.UNDOING]
