"""What other inspectors are told, as far as it concerns this one.

Inspectors share the facts among them, but each must know of all: a wish that
the VIM has not carried out yet may be outdated by a fact that another
inspector takes, and a host is marked up only when its last fault is over.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from escalator.domain import events, impact
from escalator.inspector import marking, standing

POOL = "inspector-watch"
"""Named by no topic: every inspector has a queue of its own."""

PATIENCE_S = 0.02
"""Who has a fact to tell comes first: reading its copy at the same moment was
measured to cost the notice 0.3 ms, and what is noted here nobody waits for."""


class Watch:
    """Notes every fact; publishes nothing, marks what nobody else would."""

    def __init__(self, known: standing.Standing, marks: marking.Marking) -> None:
        self._known = known
        self._marks = marks

    def handlers(self) -> Mapping[type, Callable[[Sequence[Any]], None]]:
        """Return what a listener is to call."""
        return {
            events.FaultConfirmed: self._confirmed,
            events.FaultCleared: self._cleared,
        }

    def _confirmed(self, deliveries: Sequence[Any]) -> None:
        for delivery in deliveries:
            current = self._known.note_raised(delivery.event.faults)
            self._marks.correct(impact.hosts_to_mark(current), True)

    def _cleared(self, deliveries: Sequence[Any]) -> None:
        for delivery in deliveries:
            free = impact.hosts_to_mark(self._known.note_cleared(delivery.event))
            self._marks.correct(free, False)
            put_off = self._known.take_put_off(free)
            if put_off:
                self._marks.mark_later(put_off, False)
