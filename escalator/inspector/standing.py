"""Faults and their ends, in whatever order they come."""

import collections
from collections.abc import Iterable

from escalator.domain import events, impact

_REMEMBERED = 10_000


class Standing:
    """Remembers enough to see that a fact is outdated.

    A fact whose handling failed is delivered again, maybe after a younger
    one of the same host.  What another inspector has seen is not known here:
    in doubt a fact counts as current.
    """

    def __init__(self) -> None:
        self._over: collections.OrderedDict[str, float] = collections.OrderedDict()
        self._latest: dict[str, events.Fault] = {}

    def note_raised(self, faults: Iterable[events.Fault]) -> list[events.Fault]:
        """Remember faults, and return those that are not over already."""
        current = [fault for fault in faults if fault.id not in self._over]
        for fault in current:
            if fault.fault_type in impact.TAKES_HOST_DOWN:
                self._latest[fault.host] = fault
        return current

    def note_cleared(self, fact: events.FaultCleared) -> list[events.Fault]:
        """Remember the ends, and return those that no later fault outdates."""
        for fault in fact.faults:
            self._over[fault.id] = fact.cleared_at
        while len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)
        return [f for f in fact.faults if not self._is_outdated(f, fact.cleared_at)]

    def find_over(
        self, fact: events.FaultConfirmed, event_id: str
    ) -> events.FaultCleared | None:
        """Return the end of those of ``fact`` that are over, to be told again."""
        over = tuple(fault for fault in fact.faults if fault.id in self._over)
        if not over:
            return None
        at = max(self._over[fault.id] for fault in over)
        return events.FaultCleared(event_id, over, at)

    def _is_outdated(self, fault: events.Fault, cleared_at: float) -> bool:
        latest = self._latest.get(fault.host)
        return (
            latest is not None
            and latest.id != fault.id
            and latest.times.get("T1", 0.0) > cleared_at
        )
