"""The inventory: paged, kept while the conductor is away."""

import unittest
from typing import Any

import tests  # noqa: F401  (chooses the threading backend)
from escalator import errors
from escalator.domain import events
from escalator.monitor import inventory, watching
from escalator.objects import base


def host(name: str, address: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "address": address, "agent_seen_at": None, **more}


class PagedStore:
    """Gives pages of two, whatever was asked for."""

    def __init__(self, **tables: list[dict[str, Any]]) -> None:
        self.tables = tables

    def read(self, kind: str, **query: Any) -> list[dict[str, Any]]:
        rows, key = self.tables[kind], {"host": "name", "fault": "id"}[kind]
        if kind == "fault":
            rows = [row for row in rows if row["state"] == query["state"]]
        known = [row[key] for row in rows]
        first = known.index(query["marker"]) + 1 if query["marker"] else 0
        return rows[first : first + 2]

    def write(self, kind: str, verb: str, **values: Any) -> dict[str, Any]:
        raise AssertionError("the monitor writes nothing")


class InventoryTest(unittest.TestCase):
    def setUp(self) -> None:
        self.addCleanup(setattr, base.EscalatorObject, "store", None)

    def test_every_page_is_read_and_odd_addresses_are_left_out(self) -> None:
        rows = [host(f"h{n}", f"10.0.0.{n}") for n in range(5)]
        base.use_store(PagedStore(host=[*rows, host("x", ""), host("y", "fe80::1")]))
        with self.assertLogs("escalator.monitor.inventory", "WARNING") as logged:
            targets = inventory.Inventory(None).read_hosts().targets
        self.assertEqual({"h0", "h1", "h2", "h3", "h4", "y"}, set(targets))
        self.assertIn("x", logged.output[0])

    def test_raised_faults_come_back_as_facts(self) -> None:
        ids = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(4)]
        rows = [
            {
                "id": fault_id,
                "host": "a",
                "fault_type": "host.down",
                "severity": "critical",
                "state": "cleared" if fault_id == ids[0] else "raised",
                "times": {"T0": 1.0},
                "evidence": {"misses": 3},
            }
            for fault_id in ids
        ]
        base.use_store(PagedStore(fault=rows))
        raised = inventory.Inventory(None).read_raised()
        self.assertEqual(ids[1:], [fault.id for fault in raised])
        self.assertEqual({"misses": 3}, raised[0].evidence)


class Conductor:
    def __init__(self) -> None:
        self.is_away = False
        self.hosts = inventory.Hosts({"a": "10.0.0.1"}, frozenset())

    def read_hosts(self) -> inventory.Hosts:
        if self.is_away:
            raise errors.CallTimeout(method="x", target="conductor", timeout_s=1)
        return self.hosts

    def read_raised(self) -> list[events.Fault]:
        self.read_hosts()
        return [events.Fault("id-1", "a", "host.down", "critical", {})]


class WatchingTest(unittest.TestCase):
    def setUp(self) -> None:
        self.told: list[Any] = []
        self.conductor = Conductor()
        self.watching = watching.Watching(
            self.conductor,
            1.0,
            lambda faults: self.told.append([fault.id for fault in faults]),
            lambda hosts: self.told.append(set(hosts.targets)),
            lambda: self.told.append("heard"),
        )

    def test_old_faults_are_known_before_the_first_host_is_watched(self) -> None:
        self.watching.refresh()
        self.assertEqual([["id-1"], "heard", {"a"}], self.told)

    def test_only_changes_are_told(self) -> None:
        self.watching.refresh()
        self.told.clear()
        self.watching.refresh()
        self.conductor.hosts = inventory.Hosts({"b": "10.0.0.2"}, frozenset())
        self.watching.refresh()
        self.assertEqual(["heard", "heard", {"b"}], self.told)

    def test_the_last_hosts_stay_while_the_conductor_is_away(self) -> None:
        self.watching.refresh()
        self.conductor.is_away = True
        self.told.clear()
        self.watching.refresh()
        self.assertEqual([], self.told)
        order = self.watching.order(frozenset({"a"}))
        self.assertEqual({"a": "10.0.0.1"}, order.targets)
        self.assertEqual({"a"}, order.down)
