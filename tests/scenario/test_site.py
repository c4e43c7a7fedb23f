"""A whole site, upgraded and rolled back after success, under probes that count.

Needs root (see ``nodes.missing``), keepalived on the nodes and MariaDB.
"""

import sys
import time
import unittest
from typing import Any

import testtools
from testtools import content

from tests.fixtures import nodes
from tests.scenario import database_client, http_probe
from tests.scenario.site import (
    CONTRACT,
    DATABASE,
    DATABASE_SITE,
    SEEDED,
    Cluster,
    Site,
)
from tests.scenario.stage import RESTING, epoch, wait_for

NORTH = Cluster("north", 2, 10)
ALONE, PAIR, TRIO = (
    Cluster("alone", 1, 11),
    Cluster("pair", 2, 12),
    Cluster("trio", 3, 13),
)
SWITCH_S = 1.0
"""What a hand-over may cost who asks the virtual address (S-6, O-1)."""
SLACK_S = 0.25
"""The probe's interval, its own delay, and two clocks' reading."""
RETURN_S = 5.0
"""The address goes home by itself, so long after the step that allows it."""
AT_REST = RESTING | {"completed"}
RESTING_SLOTS = ("done", "reverted", "quarantined")

Span = tuple[float, float]


@unittest.skipIf(nodes.missing(), nodes.missing())
class SiteCase(testtools.TestCase):
    """One site for each test."""

    def build(self, *clusters: Cluster, **parts: Any) -> Site:
        self.site = Site(clusters, **parts)
        self.addOnException(lambda _: self._attach_logs())
        self.addCleanup(self.site.down)
        started = time.monotonic()
        self.site.up("1.0", "s1")
        self.tell(f"up in {time.monotonic() - started:.1f} s: {self.site.times}")
        return self.site

    def _attach_logs(self) -> None:
        logs = self.site.logs or self.site.services.logs()
        for path in sorted(self.site.bed.dir.glob("keepalived-*.log")):
            tail = path.read_text(errors="replace").splitlines()[-15:]
            logs += "\n".join(["", f"--- {path.name}", *tail])
        self.addDetail("logs", content.text_content(logs))

    def tell(self, text: str) -> None:
        """Print a measured figure where a test runner does not swallow it."""
        sys.stderr.write(f"{self.id().rpartition('.')[2]}: {text}\n")

    def probe(self) -> http_probe.HttpProbe:
        """Ask every node, and every virtual address by its cluster's name."""
        targets = {node.name: node.address for node in self.site.bed.nodes}
        targets |= {each.name: each.address for each in self.site.clusters}
        return self.site.probe_of(targets)

    def wait_state(self, campaign_id: str, state: str, limit_s: float) -> None:
        ended = self.site.wait_end(campaign_id, limit_s, AT_REST)
        self.assertEqual(state, ended["state"], ended["state_reason"])

    def roll_back(self, campaign_id: str, limit_s: float = 120.0) -> None:
        started = time.monotonic()
        self.site.order(campaign_id, "rollback")
        wait_for("the rollback begins", lambda: not self._is_complete(campaign_id))
        self.wait_state(campaign_id, "rolled_back", limit_s)
        self.tell(f"rolled back in {time.monotonic() - started:.1f} s")

    def _is_complete(self, campaign_id: str) -> bool:
        campaign = self.site.api.get(f"/v1/campaigns/{campaign_id}")["campaign"]
        return bool(campaign["state"] == "completed")

    def order_of(self, campaign_id: str) -> list[str]:
        """Return the hosts in the order in which they were begun."""
        return [
            line["host"]
            for line in self.site.journal(campaign_id)
            if line["object_type"] == "slot" and line["to_state"] == "active"
        ]

    def spans(self, campaign_id: str, first: str, last: str) -> dict[str, list[Span]]:
        """Return host -> from each start of ``first`` to the end of ``last``.

        The way back is a span too; there the order of the two is reversed.
        """
        found: dict[str, list[Span]] = {}
        steps = self.site.steps(campaign_id)
        for step in steps:
            if step["name"] not in (first, last) or not step["started_at"]:
                continue
            begun, ended = epoch(step["started_at"]), epoch(step["ended_at"])
            way = found.setdefault(f"{step['host']} {step['intent']}", [])
            way.append((begun, ended))
        spans: dict[str, list[Span]] = {}
        for key, each in found.items():
            whole = min(a for a, _ in each), max(b for _, b in each)
            spans.setdefault(key.partition(" ")[0], []).append(whole)
        return spans

    def assert_gaps(
        self,
        name: str,
        answers: list[tuple[float, str]],
        allowed: list[Span],
        longest_s: float,
    ) -> None:
        """Misses lie within what the steps declare, and none is longer."""
        took = answers[-1][0] - answers[0][0]
        self.assertGreater(len(answers), 5 * took, f"{name} was hardly asked")
        missed = http_probe.gaps(answers)
        outside = http_probe.undeclared(missed, allowed, SLACK_S)
        lost = sum(b - a for a, b in missed)
        longest = max((b - a for a, b in missed), default=0.0)
        self.tell(
            f"{name}: {len(answers)} probes, {len(missed)} gaps, {lost * 1000:.0f} ms"
            f" in all, longest {longest * 1000:.0f} ms"
        )
        self.assertEqual([], outside, f"{name}: allowed {allowed}")
        self.assertLessEqual(longest, longest_s + SLACK_S, name)

    def assert_held(self, campaign_ids: list[str], probe: http_probe.HttpProbe) -> None:
        """A node is silent only while its own package changes, an address never
        longer than a hand-over takes."""
        installs: dict[str, list[Span]] = {}
        moves: dict[str, list[Span]] = {}
        for campaign_id in campaign_ids:
            for host, spans in self.spans(campaign_id, "install", "install").items():
                installs.setdefault(host, []).extend(spans)
            for host, spans in self.spans(
                campaign_id, "hand-over", "take-back"
            ).items():
                moves.setdefault(host, []).extend((a, b + RETURN_S) for a, b in spans)
        found = probe.answers()
        self.assertEqual(
            {n.name for n in self.site.bed.nodes}
            | {c.name for c in self.site.clusters},
            set(found),
        )
        for node in self.site.bed.nodes:
            spans = installs.get(node.name, [])
            longest_s = max((b - a for a, b in spans), default=0.0)
            self.assert_gaps(node.name, found[node.name], spans, longest_s)
        for cluster in self.site.clusters:
            if cluster.size == 1:
                spans = installs[cluster.controllers[0]]
                longest_s = max(b - a for a, b in spans)
            else:
                spans = [s for name in cluster.controllers for s in moves[name]]
                longest_s = SWITCH_S
            self.assert_gaps(cluster.name, found[cluster.name], spans, longest_s)

    def assert_at_home(self, cluster: Cluster) -> None:
        first = cluster.controllers[:1]
        wait_for(
            f"{first} has the address", lambda: self.site.holders(cluster) == first, 10
        )


class TestWholeSite(SiteCase):
    def test_a_site_goes_up_and_back_after_success(self) -> None:
        """E-3, O-0e, O-0f, O-1, O-3, R-0, R-2, S-6, S-7: no gap but those declared."""
        site = self.build(NORTH, computes=4, has_database=True)
        schema, versions = site.schema(), site.versions()
        probe, old = self.probe(), site.client("old")
        started = time.monotonic()
        campaign_id = site.begin_site(NORTH.name, NORTH.address)
        wait_for("the schema is expanded", lambda: self._is_expanded(campaign_id), 30)
        new = site.client("new")
        self.wait_state(campaign_id, "completed", 120)
        self.tell(f"upgraded in {time.monotonic() - started:.1f} s")
        self._assert_upgraded(campaign_id)
        self._assert_no_contract_yet(campaign_id)
        self._assert_rows(old, new)
        new.stop()
        self.roll_back(campaign_id)
        self.assert_at_home(NORTH)
        time.sleep(0.5)
        probe.stop()
        self.assertEqual(versions, site.versions())
        self.assertEqual(schema, site.schema())
        self._assert_written(old, new)
        self.assert_held([campaign_id], probe)
        self._contract()

    def _assert_no_contract_yet(self, campaign_id: str) -> None:
        """What can still be rolled back keeps its old columns."""
        refused = self.site.begin_file(CONTRACT, {})
        self.wait_state(refused, "validated", 20)
        campaign = self.site.api.get(f"/v1/campaigns/{refused}")["campaign"]
        self.assertIn(DATABASE, campaign["state_reason"])
        self.assertIn(f"{campaign_id} works on it", campaign["state_reason"])

    def _contract(self) -> None:
        """The old code is gone, the campaign committed: now it may be."""
        again = self.site.begin_site(DATABASE_SITE, NORTH.address)
        self.wait_state(again, "completed", 60)
        self.site.order(again, "commit")
        self.wait_state(again, "committed", 60)
        new = self.site.client("new")
        wait_for("the new code writes", lambda: len(new.written()) > 5)
        self.wait_state(self.site.begin_file(CONTRACT, {}), "committed", 60)
        before = len(new.written())
        wait_for("the new code goes on", lambda: len(new.written()) > before + 5)
        new.stop()
        self.assertEqual([], new.errors())
        (table,) = self.site.schema()
        self.assertNotIn("`flavor`", table)
        self.assertIn("`flavor_id`", table)

    def _is_expanded(self, campaign_id: str) -> bool:
        return any(
            step["name"] == "expand" and step["state"] == "done"
            for step in self.site.steps(campaign_id)
        )

    def _assert_upgraded(self, campaign_id: str) -> None:
        expected = {node.name: ["2.0", "2.0"] for node in self.site.bed.nodes}
        expected[DATABASE] = ["1.0", "1.0"]
        self.assertEqual(expected, self.site.versions())
        active, standby = NORTH.controllers
        begun = self.order_of(campaign_id)
        self.assertEqual([DATABASE, standby, active], begun[:3])
        self.assertEqual(DATABASE, begun[-1])
        self._assert_two_at_a_time(campaign_id)

    def _assert_two_at_a_time(self, campaign_id: str) -> None:
        """Computes two at once, never two of one rack; controllers one by one."""
        busy: set[str] = set()
        most = 0
        for line in self.site.journal(campaign_id):
            if line["object_type"] != "slot" or line["host"] == DATABASE:
                continue
            if line["to_state"] in RESTING_SLOTS:
                busy.discard(line["host"])
            else:
                busy.add(line["host"])
            racks = [self.site.rack_of(host) for host in busy]
            self.assertEqual(len(set(racks)), len(racks), str(busy))
            if busy & set(NORTH.controllers):
                self.assertEqual(1, len(busy), str(busy))
            most = max(most, len(busy))
        self.assertEqual(2, most, "nothing was done two at a time")

    def _assert_rows(
        self, old: database_client.Client, new: database_client.Client
    ) -> None:
        """Both releases wrote, and see each other's rows."""
        for client in (old, new):
            self.assertEqual([], client.errors())
            self.assertGreater(len(client.written()), 20)
        unequal = self.site.ask_database(
            "SELECT name FROM server WHERE flavor_id IS NULL OR flavor <>"
            " CASE flavor_id WHEN 1 THEN 'small' WHEN 2 THEN 'large' END"
        )
        self.assertEqual([], unequal)

    def _assert_written(
        self, old: database_client.Client, new: database_client.Client
    ) -> None:
        """What was committed before, during and after is there, for the old code."""
        old.stop()
        written = {**old.written(), **new.written()}
        self.assertEqual([], [*old.errors(), *new.errors()])
        rows = self.site.ask_database("SELECT name, flavor FROM server")
        found = {str(name): str(flavor) for name, flavor in rows}
        wrong = {n: f for n, f in written.items() if found.get(n) != f}
        self.assertEqual({}, wrong)
        seeded = [name for name in found if name.startswith("seed-")]
        self.assertEqual(SEEDED, len(seeded))
        self.tell(f"{len(old.written())} old and {len(new.written())} new servers")


class TestTopologies(SiteCase):
    """E-3: one file for a single machine, active and standby, and three of a kind."""

    def test_b_the_same_file_everywhere(self) -> None:
        """E-3, E-4, O-0e, O-0f: who has no partner keeps the address, and says why."""
        site = self.build(ALONE, PAIR, TRIO)
        probe = self.probe()
        ids = {each: self._begin(each) for each in site.clusters}
        for cluster, campaign_id in ids.items():
            self.wait_state(campaign_id, "completed", 120)
            begun = self.order_of(campaign_id)
            self.assertEqual(sorted(cluster.controllers), sorted(begun))
            self.assertEqual(cluster.controllers[0], begun[-1], "the active goes last")
            self._assert_handed_over(cluster, campaign_id)
            self.assert_at_home(cluster)
        self.assertEqual(
            {node.name: ["2.0", "2.0"] for node in site.bed.nodes}, site.versions()
        )
        for campaign_id in ids.values():
            self.roll_back(campaign_id)
        for cluster in site.clusters:
            self.assert_at_home(cluster)
        time.sleep(0.5)
        probe.stop()
        self.assertEqual(
            {node.name: ["1.0", "1.0"] for node in site.bed.nodes}, site.versions()
        )
        self.assert_held(list(ids.values()), probe)

    def _begin(self, cluster: Cluster) -> str:
        """S-7: who has no partner cannot promise smooth."""
        if cluster.size > 1:
            return self.site.begin_site(cluster.name, cluster.address)
        with self.assertRaisesRegex(AssertionError, "no other host stands in"):
            self.site.begin_site(cluster.name, cluster.address)
        return self.site.begin_site(cluster.name, cluster.address, "best_effort")

    def _assert_handed_over(self, cluster: Cluster, campaign_id: str) -> None:
        """Each step says whether there was anybody to hand over to."""
        steps = [
            step
            for step in self.site.steps(campaign_id)
            if step["name"] in ("hand-over", "take-back")
        ]
        self.assertEqual(2 * cluster.size, len(steps))
        for step in steps:
            result = step["result"]
            self.assertEqual(cluster.size == 1, result["is_skipped"], step["host"])
            if cluster.size == 1:
                self.assertIn("nobody to hand over to", result["reason"])
                self.assertTrue(result["is_here"])
            elif step["name"] == "hand-over":
                self.assertFalse(result["is_here"], step["host"])
        was_here = [
            step["host"]
            for step in steps
            if step["name"] == "hand-over"
            and step["result"].get("previous", {}).get("is_here")
        ]
        moved = [] if cluster.size == 1 else cluster.controllers[:1]
        self.assertEqual(moved, was_here, "only the active one has anything to give")
