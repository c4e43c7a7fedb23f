"""Faults and their ends, in whatever order they come."""

import collections
import threading
from collections.abc import Iterable

from escalator.domain import events, impact

_REMEMBERED = 10_000


class Standing:
    """Remembers which faults take a host down, and which are over; thread-safe.

    A fact whose handling failed is delivered again, maybe after a younger
    one of the same host.  What happened before this process began is not
    known here: in doubt a fact counts as current.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over: collections.OrderedDict[str, float] = collections.OrderedDict()
        self._open: dict[str, dict[tuple[str, str], events.Fault]] = {}
        self._put_off: set[str] = set()

    def note_raised(self, faults: Iterable[events.Fault]) -> list[events.Fault]:
        """Remember faults, and return those that are not over already."""
        with self._lock:
            current = [fault for fault in faults if fault.id not in self._over]
            for fault in current:
                if fault.fault_type in impact.TAKES_HOST_DOWN:
                    self._note_open(fault)
            return current

    def note_cleared(self, fact: events.FaultCleared) -> list[events.Fault]:
        """Remember the ends, and return those whose host has no open fault left."""
        with self._lock:
            return self._end(fact)

    def end(self, fact: events.FaultCleared) -> list[events.Fault]:
        """Do the same for a fact that this inspector is to deal with.

        Hosts with another open fault are put off until that one is over.
        """
        hosts = set(impact.hosts_to_mark(fact.faults))
        with self._lock:
            free = self._end(fact)
            self._put_off |= hosts
            self._put_off -= {fault.host for fault in free}
            return free

    def others(self, faults: Iterable[events.Fault]) -> tuple[events.Fault, ...]:
        """Return the open faults of the same hosts, without these."""
        known = {fault.id: fault.host for fault in faults}
        with self._lock:
            return tuple(
                fault
                for host in sorted(set(known.values()))
                for fault in self._open.get(host, {}).values()
                if fault.id not in known
            )

    def open_on(self, hosts: Iterable[str]) -> list[events.Fault]:
        """Return the open faults that take these hosts down."""
        with self._lock:
            return [f for host in hosts for f in self._open.get(host, {}).values()]

    def current(self, faults: Iterable[events.Fault]) -> list[events.Fault]:
        """Return those that are not known to be over; remembers nothing."""
        with self._lock:
            return [fault for fault in faults if fault.id not in self._over]

    def take_put_off(self, hosts: Iterable[str]) -> list[str]:
        """Return those that were put off, once."""
        with self._lock:
            found = [host for host in hosts if host in self._put_off]
            self._put_off.difference_update(found)
            return found

    def find_over(
        self, fact: events.FaultConfirmed | events.FaultCorroborated, event_id: str
    ) -> events.FaultCleared | None:
        """Return the end of those of ``fact`` that are over, to be told again."""
        with self._lock:
            over = tuple(fault for fault in fact.faults if fault.id in self._over)
            if not over:
                return None
            at = max(self._over[fault.id] for fault in over)
        return events.FaultCleared(event_id, over, at)

    def _end(self, fact: events.FaultCleared) -> list[events.Fault]:
        for fault in fact.faults:
            self._over[fault.id] = fact.cleared_at
            self._note_end(fault, fact.cleared_at)
        while len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)
        return [fault for fault in fact.faults if fault.host not in self._open]

    def _note_open(self, fault: events.Fault) -> None:
        known = self._open.setdefault(fault.host, {})
        latest = known.get(_kind(fault))
        if latest is None or _begun(latest) <= _begun(fault):
            known[_kind(fault)] = fault

    def _note_end(self, fault: events.Fault, cleared_at: float) -> None:
        """Forget the fault, also under another id, but not a later one."""
        known = self._open.get(fault.host, {})
        latest = known.get(_kind(fault))
        if latest is None:
            return
        if latest.id == fault.id or _begun(latest) <= cleared_at:
            del known[_kind(fault)]
        if not known:
            del self._open[fault.host]


def _kind(fault: events.Fault) -> tuple[str, str]:
    """Return what a host has one of at a time."""
    return fault.fault_type, fault.source


def _begun(fault: events.Fault) -> float:
    """Return the moment of the verdict, epoch seconds."""
    return fault.times.get("T1", 0.0)
