"""The inventory: paged, kept while the conductor is away."""

import unittest
import uuid
from typing import Any

import tests  # noqa: F401  (chooses the threading backend)
from escalator import errors
from escalator.domain import events
from escalator.monitor import inventory, watching
from escalator.objects import base

REST: dict[str, Any] = {"agent_seen_at": None, "campaign_id": None, "nics": {}}


def host(name: str, address: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "address": address, **REST, **more}


class PagedStore:
    """Gives pages of two, whatever was asked for; counts them."""

    def __init__(self, **tables: list[dict[str, Any]]) -> None:
        self.tables = tables
        self.pages = 0
        self.asked = 0
        self.most_probes = 1

    def read(self, kind: str, **query: Any) -> list[dict[str, Any]]:
        if kind == "host_digest":
            return [{"digest": repr((self.tables["host"], self.most_probes))}]
        if kind == "subscription_probes":
            self.asked += 1
            return [{"most": self.most_probes}]
        self.pages += 1
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

    def test_hosts_that_are_the_same_are_not_read_again(self) -> None:
        store = PagedStore(host=[host("a", "10.0.0.1")])
        base.use_store(store)
        stock = inventory.Inventory(None)
        first = stock.read_hosts()
        pages = store.pages
        self.assertEqual(first, stock.read_hosts())
        self.assertEqual(pages, store.pages)
        store.tables["host"].append(host("b", "10.0.0.2"))
        self.assertEqual({"a", "b"}, set(stock.read_hosts().targets))

    def test_how_many_probes_anybody_waits_for_is_asked_when_it_changed(self) -> None:
        """DR-4: a change of subscriptions takes effect with the next reading."""
        store = PagedStore(host=[host("a", "10.0.0.1")])
        base.use_store(store)
        stock = inventory.Inventory(None)
        first = stock.read_hosts()
        self.assertEqual(1, first.most_probes)
        for _ in range(3):
            self.assertIs(first, stock.read_hosts())
        self.assertEqual(1, store.asked, "the digest says that nothing changed")
        store.most_probes = 3
        second = stock.read_hosts()
        self.assertEqual((3, first.targets), (second.most_probes, second.targets))
        self.assertNotEqual(first, second)
        self.assertEqual(2, store.asked)

    def test_every_interface_is_a_target_and_the_hosts_own_address_once(self) -> None:
        nics = {"eth1": "10.1.0.1", "eth2": "10.2.0.1", "bad": ""}
        rows = [
            host("a", "10.0.0.1", nics=nics, campaign_id=str(uuid.UUID(int=1))),
            host("b", "10.1.0.2", nics={"eth1": "10.1.0.2"}),
        ]
        base.use_store(PagedStore(host=rows))
        found = inventory.Inventory(None).read_hosts()
        wanted = {
            "a": "10.0.0.1",
            "a%eth1": "10.1.0.1",
            "a%eth2": "10.2.0.1",
            "b%eth1": "10.1.0.2",
        }
        self.assertEqual(wanted, found.targets)
        self.assertEqual({"a"}, found.worked_on)

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
        # An alarm's: no monitor may end it.
        rows.append({**rows[-1], "id": ALARMS, "evidence": {"alarm_id": "mine"}})
        base.use_store(PagedStore(fault=rows))
        raised = inventory.Inventory(None).read_raised()
        self.assertEqual(ids[1:], [fault.id for fault in raised])
        self.assertEqual({"misses": 3}, raised[0].evidence)


ALARMS = "00000000-0000-4000-8000-000000000009"


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
        self.share = 0
        self.conductor = Conductor()
        self.watching = watching.Watching(
            self.conductor,
            1.0,
            self.take,
            lambda: self.told.append("heard"),
            lambda: self.share,
        )

    def take(self, hosts: inventory.Hosts, raised: list[events.Fault] | None) -> None:
        ids = None if raised is None else [fault.id for fault in raised]
        self.told.append((set(hosts.targets), ids))

    def test_old_faults_are_known_when_the_first_host_is_watched(self) -> None:
        self.watching.refresh()
        self.assertEqual(["heard", ({"a"}, ["id-1"])], self.told)

    def test_faults_are_read_again_when_the_hosts_are_shared_anew(self) -> None:
        self.watching.refresh()
        self.told.clear()
        self.share = 1
        self.watching.refresh()
        self.watching.refresh()
        self.assertEqual(["heard", ({"a"}, ["id-1"]), "heard"], self.told)

    def test_only_changes_are_told(self) -> None:
        self.watching.refresh()
        self.told.clear()
        self.watching.refresh()
        self.conductor.hosts = inventory.Hosts({"b": "10.0.0.2"}, frozenset())
        self.watching.refresh()
        self.assertEqual(["heard", "heard", ({"b"}, None)], self.told)

    def test_the_last_hosts_stay_while_the_conductor_is_away(self) -> None:
        self.watching.refresh()
        self.conductor.is_away = True
        self.told.clear()
        self.watching.refresh()
        self.assertEqual([], self.told)
