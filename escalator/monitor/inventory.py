"""Whom to watch: the conductor's hosts, page by page."""

import dataclasses
import ipaddress
from collections.abc import Iterator
from typing import Any

from oslo_log import log as logging

from escalator.domain import events, target
from escalator.objects import fault, host, subscription

LOG = logging.getLogger(__name__)

PAGE = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Hosts:
    """Whom to watch.

    :ivar targets: target (see ``domain.target``) -> address.
    :ivar agents: hosts with an agent.
    :ivar worked_on: hosts held by a campaign.
    :ivar most_probes: the largest ``min_probes`` of all subscriptions.
    """

    targets: dict[str, str]
    agents: frozenset[str]
    worked_on: frozenset[str] = frozenset()
    most_probes: int = 1


class Inventory:
    """Asks the conductor; every call may raise what the bus raises."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._refused: frozenset[str] = frozenset()
        self._last: tuple[str, Hosts] | None = None

    def read_hosts(self) -> Hosts:
        """Return all hosts; those without a usable address are logged.

        They are read only if they, or what subscriptions wait for, are others than at
        the last call: one question now and then is all that probing is disturbed by.
        """
        digest = host.HostList.read_digest(self._context)
        if self._last is None or self._last[0] != digest:
            most = subscription.SubscriptionList.read_most_probes(self._context)
            found = dataclasses.replace(self._read_all(), most_probes=most)
            self._last = (digest, found)
        return self._last[1]

    def _read_all(self) -> Hosts:
        targets: dict[str, str] = {}
        agents, worked_on, refused = set(), set(), set()
        for found in self._pages(host.HostList, "name"):
            if found.agent_seen_at is not None:
                agents.add(found.name)
            if found.campaign_id is not None:
                worked_on.add(found.name)
            mine = _targets(found.name, found.address, found.nics)
            targets |= mine
            if not mine:
                refused.add(found.name)
        if refused - self._refused:
            LOG.warning("Not probed, no IP address: %s", ", ".join(sorted(refused)))
        self._refused = frozenset(refused)
        return Hosts(targets, frozenset(agents), frozenset(worked_on))

    def read_window(self, name: str) -> float:
        """Return until when ``name`` is expected down, epoch seconds, or 0.0."""
        until = host.Host.get_by_name(self._context, name).expected_down_until
        return until.timestamp() if until is not None else 0.0

    def read_raised(self) -> list[events.Fault]:
        """Return the monitors' faults that are raised and not yet cleared."""
        raised = (
            found.to_fault()
            for found in self._pages(fault.FaultRecordList, "id", state="raised")
        )
        return [each for each in raised if not each.source]

    def _pages(self, kind: Any, key: str, **query: Any) -> Iterator[Any]:
        marker = None
        while True:
            page = kind.get_page(self._context, limit=PAGE, marker=marker, **query)
            if not page.objects:
                return
            yield from page.objects
            # The server may cap a page: only an empty one is the end.
            marker = getattr(page.objects[-1], key)


def _targets(name: str, address: str, nics: dict[str, str]) -> dict[str, str]:
    """Return every interface, and the host's own address unless it is one's."""
    found = {target.name(name, nic): at for nic, at in nics.items() if _is_address(at)}
    if _is_address(address) and address not in found.values():
        found[name] = address
    return found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
