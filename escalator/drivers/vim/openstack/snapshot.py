"""Reads everything from Nova: hosts, instances, anti-affinity groups."""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from escalator.drivers import base
from escalator.drivers.vim.openstack import calls as nova
from escalator.drivers.vim.openstack import model, services, states

RACK = "rack"
"""Key of an aggregate's metadata that names the rack of its hosts."""

GROUPS = "2.64"
"""From here on a server group has one policy; before, a list of them."""

_APART = ("anti-affinity", "soft-anti-affinity")
_GONE = frozenset({"deleted", "soft-delete"})
"""States that only a reading of changes shows; a whole one leaves them out."""
_PAGE = 1000

CAPACITY = ("vcpus", "vcpus_used", "memory_mb", "memory_mb_used")
"""Facts that the hypervisors API tells up to the version that is asked for here."""


class Reader:
    """One reading is some calls to Nova, pages of instances the most of it."""

    def __init__(self, calls: nova.Calls, known: services.Services) -> None:
        self._calls = calls
        self._services = known

    def hosts(self) -> list[base.VimHost]:
        """Return every host with a nova-compute service.

        :raises VimUnavailable: Nova does not answer.
        """
        hypervisors = {each["service"]["host"]: each for each in self._hypervisors()}
        tags: dict[str, list[str]] = {}
        racks: dict[str, str] = {}
        for aggregate in self._calls.read("list_aggregates", "/os-aggregates")[
            "aggregates"
        ]:
            rack = (aggregate.get("metadata") or {}).get(RACK, "")
            for host in aggregate.get("hosts") or ():
                tags.setdefault(host, []).append(str(aggregate["name"]))
                if rack:
                    racks[host] = str(rack)
        return [
            base.VimHost(
                name=each["host"],
                address=hypervisors.get(each["host"], {}).get("host_ip") or "",
                role="compute",
                rack=racks.get(each["host"], ""),
                availability_zone=each.get("zone") or "",
                is_enabled=each["status"] == "enabled",
                is_forced_down=bool(each.get("forced_down")),
                tags=tuple(sorted(tags.get(each["host"], ()))),
                facts=_capacity(hypervisors.get(each["host"], {})),
            )
            for each in self._services.read()
        ]

    def servers(self, host: str | None = None) -> list[model.Server]:
        """Return every instance of every project, or of one host.

        :raises VimUnavailable: Nova does not answer.
        """
        path = "/servers/detail?all_tenants=1"
        if host is not None:
            path += f"&host={host}"
        found = self._calls.pages("list_servers", path, "servers", "2.1")
        return [server_of(each) for each in found]

    def changed_servers(self, since: float) -> tuple[list[model.Server], list[str]]:
        """Return the instances that changed, and the ids of those that are gone.

        An instance that is archived by now is in neither.

        :param since: epoch seconds.
        :raises VimUnavailable: Nova does not answer.
        """
        at = datetime.datetime.fromtimestamp(int(since), datetime.UTC)
        path = f"/servers/detail?all_tenants=1&changes-since={at:%Y-%m-%dT%H:%M:%SZ}"
        found = [
            server_of(each)
            for each in self._calls.pages("list_servers", path, "servers", "2.1")
        ]
        there = [each for each in found if each.state not in _GONE]
        return there, [each.id for each in found if each.state in _GONE]

    def groups(self) -> dict[str, str]:
        """Return instance id -> the anti-affinity group it is in."""
        found: dict[str, str] = {}
        for each in self.group_rows():
            if any(policy in _APART for policy in policies_of(each)):
                found.update(dict.fromkeys(each["members"], str(each["id"])))
        return found

    def group_rows(self) -> Iterator[Mapping[str, Any]]:
        """Yield the server groups of all projects, as Nova has them."""
        version = GROUPS if self._calls.supports(GROUPS) else "2.1"
        offset = 0
        while True:
            path = f"/os-server-groups?all_projects=True&limit={_PAGE}&offset={offset}"
            page = self._calls.read("list_server_groups", path, version)[
                "server_groups"
            ]
            yield from page
            offset += len(page)
            if not page:
                return

    def providers(self) -> dict[str, str]:
        """Return resource provider of Placement -> host; from Nova 2.53 on."""
        return {each["id"]: each["service"]["host"] for each in self._hypervisors()}

    def _hypervisors(self) -> list[Mapping[str, Any]]:
        """Return what the hypervisors report, of hosts with a service."""
        version = services.BY_ID if self._calls.supports(services.BY_ID) else "2.1"
        path = "/os-hypervisors/detail"
        if self._calls.supports(services.BY_ID):
            found = list(
                self._calls.pages("list_hypervisors", path, "hypervisors", version)
            )
        else:
            found = self._calls.read("list_hypervisors", path, version)["hypervisors"]
        return [each for each in found if each.get("service")]


def policies_of(group: Mapping[str, Any]) -> list[str]:
    """Return a server group's policies; from 2.64 on there is one."""
    return [group["policy"]] if "policy" in group else list(group["policies"])


def _capacity(hypervisor: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a host has and what of it is in use, as far as Nova says so."""
    return {name: hypervisor[name] for name in CAPACITY if name in hypervisor}


def server_of(row: Mapping[str, Any]) -> model.Server:
    """Return an instance as the servers API has it."""
    return model.Server(
        id=row["id"],
        name=row.get("name") or "",
        project_id=row["tenant_id"],
        host=row.get("OS-EXT-SRV-ATTR:host") or "",
        state=row.get("OS-EXT-STS:vm_state") or row["status"].lower(),
        state_before=(row.get("metadata") or {}).get(states.MARK, ""),
    )
