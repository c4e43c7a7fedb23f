"""Who judges which host: tooz's hash ring over the living monitors.

A host has a first monitor, which tells its faults, and if there are two or
more a second one, which watches it as well: it is the first one's other
vantage point, and knows what to tell when it takes over.
"""

from collections.abc import Mapping
from typing import Protocol

from tooz import hashring

from escalator.domain import events
from escalator.domain import target as targets


class Members(Protocol):
    """``monitor.members.Members``."""

    name: str

    def names(self) -> tuple[str, ...]: ...


class Sharing:
    """This monitor's part of the hosts.

    :param members: None: there is no other monitor.
    :ivar mine: hosts whose faults this monitor tells.
    :ivar watched: those and the ones it is the second vantage point of.
    """

    def __init__(self, members: Members | None = None) -> None:
        self._members = members
        self.mine: frozenset[str] = frozenset()
        self.watched: frozenset[str] = frozenset()

    def is_mine(self, host: str) -> bool:
        """Return whether this monitor tells the faults of ``host``."""
        return host in self.mine

    def is_ours(self, fault: events.Fault) -> bool:
        """Return whether this monitor tells the end of ``fault``."""
        if fault.fault_type == events.FaultType.MONITOR_ISOLATED:
            return self._members is None or fault.host == self._members.name
        return self.is_mine(fault.host)

    def divide(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Return this monitor's part of the targets, and remember it."""
        hosts = {targets.host_of(name) for name in wanted}
        if self._members is None:
            self.mine = self.watched = frozenset(hosts)
            return dict(wanted)
        ranks = rank(hosts, self._members.names())
        me = self._members.name
        self.mine = frozenset(h for h, order in ranks.items() if order[:1] == (me,))
        self.watched = frozenset(h for h, order in ranks.items() if me in order)
        return {t: at for t, at in wanted.items() if targets.host_of(t) in self.watched}


def rank(hosts: set[str], members: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the first and the second monitor of every host."""
    if not members:
        return {}
    ring = hashring.HashRing(members)
    found: dict[str, tuple[str, ...]] = {}
    for host in hosts:
        data = host.encode()
        (first,) = ring.get_nodes(data)
        second = ring.get_nodes(data, {first}) if len(members) > 1 else ()
        found[host] = (first, *second)
    return found
