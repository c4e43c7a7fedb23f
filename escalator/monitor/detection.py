"""From verdicts to facts: one event for all hosts of a round.

Identity of a fault.  An episode has one id from FaultConfirmed to
FaultCleared, and this process keeps the open ones by (type, host, agent).  A
restarted probe loop is told which hosts are down, so it repeats nothing.  A
restarted monitor first takes over the faults the conductor has as raised, with
their ids: hosts still down are no news, their return clears the old id.  A
fault killed before the conductor knew it is found again under a new id;
receivers therefore drop a FaultConfirmed for a (host, type) that is raised
already, and clear by (host, type).
"""

import dataclasses
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from oslo_log import log as logging

from escalator.domain import events, silence
from escalator.monitor import lateness

LOG = logging.getLogger(__name__)

Key = tuple[str, str, str]
"""Fault type, host, agent (empty for faults of the host itself)."""


class Outbox(Protocol):
    """Where facts go: ``monitor.publishing``."""

    def put(self, event: events.Event) -> None:
        """Take ``event`` without blocking."""


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A fault of a host, or of the monitor itself, not told yet.

    :ivar t0: ``T0``, :ivar t1: ``T1``; epoch seconds.
    """

    kind: events.FaultType
    host: str
    t0: float
    t1: float
    evidence: dict[str, Any]

    def to_fault(self, id: str) -> events.Fault:
        """Return it as a fault with an id of its own."""
        times = {"T0": self.t0, "T1": self.t1}
        severity = SEVERITIES[self.kind]
        return events.Fault(id, self.host, self.kind, severity, times, self.evidence)


SEVERITIES = {
    events.FaultType.HOST_DOWN: events.Severity.CRITICAL,
    events.FaultType.LINK_DOWN: events.Severity.MAJOR,
    events.FaultType.MONITOR_ISOLATED: events.Severity.MAJOR,
    events.FaultType.AGENT_SILENT: events.Severity.MAJOR,
}


class Detection:
    """Keeps the open faults and turns findings into events; thread-safe.

    :param watched: the fault types that are raised at all (DR-4); None means
        every type.
    :ivar most_probes: nobody waits for more probes than so many to agree; with 1
        nothing is told of those that agree later.
    """

    def __init__(
        self,
        outbox: Outbox,
        late: lateness.Lateness,
        new_id: Callable[[], str] = _new_id,
        watched: Collection[str] | None = None,
    ) -> None:
        self._outbox = outbox
        self._late = late
        self._new_id = new_id
        self._watched = watched
        self.most_probes = 1
        self._open: dict[Key, events.Fault] = {}
        self._lock = threading.Lock()

    def adopt(
        self,
        faults: Iterable[events.Fault],
        is_mine: Callable[[events.Fault], bool] = lambda _: True,
    ) -> None:
        """Take over faults raised by another monitor; leave others theirs."""
        with self._lock:
            self._open = {k: f for k, f in self._open.items() if is_mine(f)}
            for fault in faults:
                if is_mine(fault):
                    self._open.setdefault(key_of(fault), fault)

    def hosts_down(self) -> frozenset[str]:
        """Return the hosts with an open host.down."""
        with self._lock:
            return frozenset(
                host
                for kind, host, _ in self._open
                if kind == events.FaultType.HOST_DOWN
            )

    def is_open(self, kind: events.FaultType, host: str) -> bool:
        """Return whether ``host`` has an open fault of that type."""
        with self._lock:
            if kind != events.FaultType.AGENT_SILENT:
                return (kind, host, "") in self._open
            return any(key[:2] == (kind, host) for key in self._open)

    def is_known(self, kind: events.FaultType, host: str) -> bool:
        """Tell whether that is no news; a lost link is, of a host that was down."""
        is_down = self.is_open(events.FaultType.HOST_DOWN, host)
        if kind == events.FaultType.HOST_DOWN:
            return is_down
        return not is_down and self.is_open(kind, host)

    def found(self, findings: Iterable[Finding]) -> None:
        """Publish faults that are not open yet: one event for all."""
        faults = [each.to_fault(self._new_id()) for each in findings]
        with self._lock:
            self._confirm(faults)

    def corroborate(self, findings: Iterable[Finding], at: float) -> None:
        """Publish which open faults more probes find than were told of (DR-4).

        One event for all.  What nobody waits for is not kept either: the end of
        a fault is told with the evidence that its beginning was told with.
        """
        with self._lock:
            grown, before = _find_grown(self._open, findings, self.most_probes)
            if grown:
                self._open.update((key_of(fault), fault) for fault in grown)
                self._outbox.put(
                    events.FaultCorroborated(self._new_id(), grown, before, at)
                )

    def over(self, keys: Iterable[tuple[events.FaultType, str]], at: float) -> None:
        """Publish the end of those faults that are open: one event for all."""
        with self._lock:
            self._clear([(kind, host, "") for kind, host in keys], at)

    def ticked(self, late_s: Sequence[float]) -> None:
        """Keep the probe loop's own lateness."""
        self._late.add(late_s)

    def agents_silent(
        self, agents: Sequence[silence.Silent], at: float, offset: float
    ) -> None:
        """Publish silent agents.

        :param at: the verdict, epoch seconds.
        :param offset: epoch minus monotonic seconds.
        """
        self.found(
            Finding(
                events.FaultType.AGENT_SILENT,
                agent.host,
                agent.since + offset,
                at,
                {"agent": agent.agent, "interval_s": agent.interval_s},
            )
            for agent in agents
        )

    def agents_back(self, host: str, agents: Iterable[str], at: float) -> None:
        """Publish that silent agents of ``host`` beat again."""
        kind = events.FaultType.AGENT_SILENT
        with self._lock:
            self._clear([(kind, host, agent) for agent in agents], at)

    def _confirm(self, found: Sequence[events.Fault]) -> None:
        fresh = tuple(
            fault
            for fault in found
            if key_of(fault) not in self._open
            and (self._watched is None or fault.fault_type in self._watched)
        )
        if not fresh:
            return
        self._open.update((key_of(fault), fault) for fault in fresh)
        self._outbox.put(events.FaultConfirmed(self._new_id(), fresh))
        LOG.warning(
            "%s detected at %.6f on %d host(s): %s",
            fresh[0].fault_type,
            fresh[0].times["T1"],
            len(fresh),
            _some(fault.host for fault in fresh),
        )

    def _clear(self, keys: Iterable[Key], at: float) -> None:
        known = tuple(self._open.pop(key) for key in keys if key in self._open)
        if not known:
            return
        self._outbox.put(events.FaultCleared(self._new_id(), known, at))
        LOG.info(
            "%s cleared on %d host(s): %s",
            known[0].fault_type,
            len(known),
            _some(fault.host for fault in known),
        )


def key_of(fault: events.Fault) -> Key:
    """Return what makes ``fault`` the same as another one."""
    return fault.fault_type, fault.host, str(fault.evidence.get("agent", ""))


def _find_grown(
    known: Mapping[Key, events.Fault], findings: Iterable[Finding], most: int
) -> tuple[tuple[events.Fault, ...], dict[str, int]]:
    """Return faults with more probes than known, and fault id -> how many it had.

    :param most: those that had so many are of no interest.
    """
    grown, before = [], {}
    for each in findings:
        fault = known.get((each.kind, each.host, ""))
        if fault is not None and fault.probes < most:
            found = dataclasses.replace(fault, evidence=each.evidence)
            if found.probes > fault.probes:
                grown.append(found)
                before[fault.id] = fault.probes
    return tuple(grown), before


def _some(hosts: Iterable[str], most: int = 10) -> str:
    names = list(hosts)
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")
