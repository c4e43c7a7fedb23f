"""A drain's dry run: what would stand in its way now? Changes nothing (V-3, O-0c).

Nova tells the instances and their states, Placement where each fits.  What Nova's
own filters ask for beyond Placement, anti-affinity and availability zones is not
looked at.
"""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.domain import packing
from escalator.drivers.vim.openstack import calls as nova
from escalator.drivers.vim.openstack import demand, moving, services, snapshot

FLAVORS = "2.53"
"""From here on a provider has its hypervisor's id (a server its flavor: 2.47)."""

ZONES = "2.96"
"""From here on a server tells to which availability zone it is pinned."""

CANDIDATES = "1.33"
"""Placement's first that has trees of providers (1.29), the trait of a host that is
disabled, and groups of resources with any name."""

AT_MOST = 1000
"""Candidates asked for; Nova's scheduler asks for as many."""

NAMED = 20

_FORBIDS = ("affinity", "anti-affinity")


@dataclasses.dataclass(frozen=True, slots=True)
class _Group:
    """:ivar limit: members that a host may have, if they are kept apart.
    :ivar counts: host -> members there now.
    """

    id: str
    is_apart: bool
    limit: int
    counts: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class _Offer:
    """What Placement offers for one demand.

    :ivar ways: one for each set of allocations.
    :ivar free: of the providers that they use.
    """

    ways: Sequence[packing.Way]
    free: Mapping[packing.Cell, float]


@dataclasses.dataclass(frozen=True, slots=True)
class _Cloud:
    """:ivar zones: host that is in service -> its availability zone.
    :ivar groups: instance id -> its group, if that forbids hosts.
    """

    zones: Mapping[str, str]
    groups: Mapping[str, _Group]


class DryRun:
    """Asks about one host at a time.

    :param placement: calls to Placement.
    """

    def __init__(
        self,
        calls: nova.Calls,
        placement: nova.Calls,
        reader: snapshot.Reader,
        known: services.Services,
        mover: moving.Moving,
    ) -> None:
        self._calls = calls
        self._placement = placement
        self._reader = reader
        self._services = known
        self._moving = mover

    def obstacles(self, host: str, places: Mapping[str, str]) -> list[str]:
        """Return what stands in the way, a sentence for each.

        :param places: instance id -> host, of all.
        :raises VimUnavailable: Nova or Placement does not answer.
        :raises ActionFailed: it cannot be told.
        """
        rows = self._servers(host)
        told, able = [], []
        for row in rows:
            if why := self._hindrance(row):
                told.append(f"instance {row['id']} ({row.get('name')}): {why}")
            else:
                able.append(row)
        if not able:
            return told
        groups = _groups(self._reader.group_rows(), places)
        cloud = _Cloud(self._in_service(), groups)
        pieces, free = [], dict[packing.Cell, float]()
        demands = {row["id"]: demand.of_server(row) for row in able}
        offers = self._offers(demands.values(), host)
        for row in able:
            wanted = demands[row["id"]]
            offer = offers[wanted.query]
            ways, why = _open(row, offer.ways, host, cloud)
            if why:
                name = f"{row.get('name')}, {wanted.told()}"
                told.append(
                    f"instance {row['id']} ({name}) fits on no other host: {why}"
                )
                continue
            free.update(offer.free)
            pieces.append(_piece(row["id"], wanted, ways, groups))
        return [*told, *_together(pieces, free, groups)]

    def _servers(self, host: str) -> list[Mapping[str, Any]]:
        """Return the host's instances with their flavors, and zones if Nova tells."""
        if not self._calls.supports(FLAVORS):
            raise _unknown(f"Nova is older than {FLAVORS}")
        version = ZONES if self._calls.supports(ZONES) else FLAVORS
        path = f"/servers/detail?all_tenants=1&host={host}"
        found = self._calls.pages("list_servers", path, "servers", version)
        return [each for each in found if each.get("OS-EXT-SRV-ATTR:host") == host]

    def _hindrance(self, row: Mapping[str, Any]) -> str:
        """Say why an instance cannot be moved in its present state, or "".

        A lock is none: Nova heeds no lock of an administrator's call.
        """
        if task := row.get("OS-EXT-STS:task_state"):
            return f"it is busy: {task}"
        server = snapshot.server_of(row)
        if not self._moving.methods(server):
            return f"no way to move one that is {server.state}"
        return ""

    def _in_service(self) -> dict[str, str]:
        return {
            each["host"]: each.get("zone") or ""
            for each in self._services.read()
            if each["status"] == "enabled"
            and each.get("state", "up") == "up"
            and not each.get("forced_down")
        }

    def _offers(self, demands: Iterable[demand.Demand], host: str) -> dict[str, _Offer]:
        """Ask Placement once for each different demand."""
        if not self._placement.supports(CANDIDATES):
            raise _unknown(f"Placement is older than {CANDIDATES}")
        hosts = self._reader.providers()
        return {
            query: self._offer(query, hosts, host)
            for query in sorted({each.query for each in demands})
        }

    def _offer(self, query: str, hosts: Mapping[str, str], leaving: str) -> _Offer:
        path = f"/allocation_candidates?{query}&limit={AT_MOST}"
        found = self._placement.read("list_allocation_candidates", path, CANDIDATES)
        summaries = found["provider_summaries"]
        roots = {each: row["root_provider_uuid"] for each, row in summaries.items()}
        ways = []
        for request in found["allocation_requests"]:
            # What is shared by hosts, storage say, an instance keeps where it is.
            needs = {
                (provider, name): float(amount)
                for provider, one in request["allocations"].items()
                if roots[provider] in hosts
                for name, amount in one["resources"].items()
            }
            places = {hosts[roots[provider]] for provider, _ in needs}
            if len(places) == 1 and leaving not in places:
                ways.append(packing.Way(places.pop(), needs))
        cells = {cell for way in ways for cell in way.needs}
        free = {
            (provider, name): float(of["capacity"] - of["used"])
            for provider, name in cells
            for of in [summaries[provider]["resources"][name]]
        }
        return _Offer(ways, free)


def _groups(
    rows: Iterable[Mapping[str, Any]], places: Mapping[str, str]
) -> dict[str, _Group]:
    """Return instance id -> its group, of those whose policy Nova enforces."""
    found: dict[str, _Group] = {}
    for row in rows:
        policies = snapshot.policies_of(row)
        if not any(policy in _FORBIDS for policy in policies):
            continue
        here = [places[each] for each in row["members"] if each in places]
        group = _Group(
            str(row["id"]),
            "anti-affinity" in policies,
            int((row.get("rules") or {}).get("max_server_per_host", 1)),
            collections.Counter(here),
        )
        found.update(dict.fromkeys(row["members"], group))
    return found


def _open(
    row: Mapping[str, Any], ways: Sequence[packing.Way], leaving: str, cloud: _Cloud
) -> tuple[list[packing.Way], str]:
    """Return the ways that are open to an instance by itself, or why none is."""
    group = cloud.groups.get(row["id"])
    zone = row.get("pinned_availability_zone")
    if not ways:
        return [], "none has room for it"
    left = [way for way in ways if way.host in cloud.zones]
    if not left:
        return [], f"those with room are disabled or down: {_hosts(ways)}"
    if zone:
        ways, left = left, [way for way in left if cloud.zones[way.host] == zone]
    if not left:
        return [], f"it is pinned to {zone}, those with room are not: {_hosts(ways)}"
    if group is None:
        return left, ""
    if not group.is_apart:
        together = [way for way in left if group.counts.get(way.host)]
        return together, "" if together else f"group {group.id} keeps it on {leaving}"
    apart = [way for way in left if group.counts.get(way.host, 0) < group.limit]
    why = f"group {group.id} has members on those with room: {_hosts(left)}"
    return apart, "" if apart else why


def _piece(
    instance_id: str,
    wanted: demand.Demand,
    ways: Sequence[packing.Way],
    groups: Mapping[str, _Group],
) -> packing.Piece:
    group = groups.get(instance_id)
    if group is None or not group.is_apart:
        return packing.Piece(instance_id, wanted.size, ways)
    return packing.Piece(instance_id, wanted.size, ways, group.id, group.limit)


def _together(
    pieces: Sequence[packing.Piece],
    free: Mapping[packing.Cell, float],
    groups: Mapping[str, _Group],
) -> list[str]:
    """Say who finds no room beside the others."""
    members = {
        (group.id, host): count
        for group in groups.values()
        if group.is_apart
        for host, count in group.counts.items()
    }
    short = packing.pack(pieces, free, members)
    if short is None:
        return []
    lacking = "no host has enough left for one of them, or a group forbids it"
    if short.missing:
        verb = "is" if list(short.missing.values()) == [1] else "are"
        lacking = f"{demand.amounts(short.missing)} {verb} missing"
    return [
        f"{len(short.left)} of {len(pieces)} instances fit nowhere together with the"
        f" others: {lacking}: {_named(short.left)}"
    ]


def _hosts(ways: Sequence[packing.Way]) -> str:
    return _named(sorted({way.host for way in ways}))


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _unknown(why: str) -> errors.ActionFailed:
    return errors.ActionFailed(action="try_drain", reason=f"could not be told: {why}")
