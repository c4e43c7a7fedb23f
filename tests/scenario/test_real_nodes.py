"""Campaigns on real nodes, over real servers, with faults on purpose.

Issue of the first thread, item 3.  Needs root (see ``nodes.missing``).
"""

import itertools
import os
import random
import sys
import time
import unittest
from typing import Any

import testtools
from testtools import content

from tests.fixtures import consumer, nodes, packages
from tests.scenario import http_probe, spare_node, undo_order
from tests.scenario.stage import (
    COMPUTES,
    PROJECTS,
    SPARE,
    Stage,
    epoch,
    pair_of,
    wait_for,
)

SLACK_S = 0.25
"""The probe's interval, its own delay, and two clocks' reading."""
BUDGET_S = 1.0
"""Detected to the owner's handler (DR-3)."""
BROKEN = "compute-6"
RESTING_SLOTS = ("done", "reverted", "quarantined")
SEED = int(os.environ.get("ESCALATOR_TEST_SEED", "20261121"))


@unittest.skipIf(nodes.missing(), nodes.missing())
class RealNodes(testtools.TestCase):
    """One stage for each test: no test inherits another's leftovers."""

    has_spare = False
    has_server_groups = True
    version, release = "1.0", "s1"

    def setUp(self) -> None:
        super().setUp()
        self.stage = self.make_stage()
        self.addOnException(lambda _: self._attach_logs())
        self.addCleanup(self.stage.down)
        self.stage.up(self.version, self.release)
        self.tell(f"stage is up: {self.stage.times}")

    def make_stage(self) -> Stage:
        return Stage(self.has_spare, self.has_server_groups)

    def _attach_logs(self) -> None:
        """Keep the services' last words, whether they still run or not."""
        logs = self.stage.logs or self.stage.services.logs()
        self.addDetail("logs", content.text_content(logs))

    def tell(self, text: str) -> None:
        """Print a measured figure where a test runner does not swallow it."""
        sys.stderr.write(f"{self.id().rpartition('.')[2]}: {text}\n")

    def assert_versions(self, expected: dict[str, str]) -> None:
        found = self.stage.versions()
        self.assertEqual({n: [v, v] for n, v in expected.items()}, found)

    def all_at(self, version: str) -> dict[str, str]:
        return {node.name: version for node in self.stage.bed.nodes}

    def assert_budgets_held(self, campaign_id: str) -> None:
        """At most two at once, never two of one pair: by the journal's order."""
        busy: set[str] = set()
        most = 0
        for line in self.stage.journal(campaign_id):
            if line["object_type"] != "slot":
                continue
            if line["to_state"] in RESTING_SLOTS:
                busy.discard(line["host"])
            else:
                busy.add(line["host"])
            most = max(most, len(busy))
            pairs = [pair_of(host) for host in busy]
            self.assertLessEqual(len(busy), 2, str(busy))
            self.assertEqual(len(set(pairs)), len(pairs), str(busy))
        self.assertEqual(2, most, "nothing was done two at a time")

    def assert_answers_elsewhere(
        self, campaign_id: str, probe: http_probe.HttpProbe
    ) -> None:
        """A daemon is silent only while its own package is changed."""
        installs = {
            step["host"]: _span([step])
            for step in self.stage.steps(campaign_id)
            if step["name"] == "install"
        }
        answers = probe.answers()
        self.assertEqual(COMPUTES, len(answers))
        self._assert_one_of_a_pair_answers(answers)
        for host, found in answers.items():
            start, end = installs[host]
            missed = http_probe.gaps(found)
            outside = [
                gap
                for gap in missed
                if gap[0] < start - SLACK_S or gap[1] > end + SLACK_S
            ]
            self.assertEqual([], outside, f"{host}: install {start} to {end}")
            longest = max((b - a for a, b in missed), default=0.0)
            self.tell(
                f"{host}: {len(found)} probes, {len(missed)} gaps, "
                f"longest {longest * 1000:.0f} ms, install {end - start:.2f} s"
            )

    def _assert_one_of_a_pair_answers(
        self, answers: dict[str, list[tuple[float, str]]]
    ) -> None:
        """What the users saw, whatever the journal says."""
        found = {host: http_probe.gaps(each) for host, each in answers.items()}
        for one, other in itertools.combinations(found, 2):
            if pair_of(one) == pair_of(other):
                both = [
                    (a, b)
                    for a, b in itertools.product(found[one], found[other])
                    if a[0] < b[1] and b[0] < a[1]
                ]
                self.assertEqual([], both, f"{one} and {other} were both silent")


class TestUpgrade(RealNodes):
    def test_a_all_six_go_up_two_at_a_time(self) -> None:
        """E-0, P-4b: budgets hold, the other nodes' daemons answer throughout."""
        probe = self.stage.probe()
        started = time.monotonic()
        campaign_id = self.stage.begin("2.0", "s2")
        ended = self.stage.wait_end(campaign_id, 180)
        self.assertEqual("committed", ended["state"], ended["state_reason"])
        self.tell(f"six nodes in {time.monotonic() - started:.1f} s")
        time.sleep(0.5)
        probe.stop()
        self.assert_versions(self.all_at("2.0"))
        for node in self.stage.computes:
            last = probe.answers()[node.name][-1][1]
            self.assertEqual("2.0", last, node.name)
        self.assert_budgets_held(campaign_id)
        self.assert_answers_elsewhere(campaign_id, probe)


class TestBadPackage(RealNodes):
    version, release = "2.0", "s2"
    has_server_groups = False

    def test_b_a_bad_package_is_undone_everywhere(self) -> None:
        """P-4c, P-4d, R-2: undo and retry as the file says, then all, in reverse."""
        self.stage.bed.node(BROKEN).write(packages.BROKEN_MARK, "")
        campaign_id = self.stage.begin("2.1", "s3")
        started = time.monotonic()
        ended = self.stage.wait_end(campaign_id, 240)
        self.tell(f"tried and undone in {time.monotonic() - started:.1f} s")
        self.assertEqual("rolled_back", ended["state"], ended["state_reason"])
        self.assertIn(BROKEN, ended["state_reason"])
        self.assert_versions(self.all_at("2.0"))
        self.assertEqual(
            [
                "2.0 configure none",
                "2.1 configure 2.0",
                "2.0 configure 2.1",
                "2.1 configure 2.0",
                "2.0 configure 2.1",
            ],
            self.stage.runs(BROKEN),
        )
        self._assert_found_by_verification(campaign_id)
        self._assert_reverse_order(campaign_id)

    def _assert_found_by_verification(self, campaign_id: str) -> None:
        failed = [
            (line["host"], line["name"])
            for line in self.stage.journal(campaign_id)
            if line["object_type"] == "step" and line["to_state"] == "failed"
        ]
        self.assertEqual([(BROKEN, "answer")] * 2, failed)

    def _assert_reverse_order(self, campaign_id: str) -> None:
        """Who was worked on last is undone first, unless its pair is at it."""
        order = undo_order.UndoOrder()
        for line in self.stage.journal(campaign_id):
            order.read(line)
        self.assertEqual([], order.broken)
        self.assertIn(BROKEN, order.undone)
        self.assertGreaterEqual(len(order.undone), 5)


class TestCutLink(RealNodes):
    CUT = "compute-6"
    has_server_groups = False

    def test_c_a_cut_link_stops_and_undoes_the_campaign(self) -> None:
        """DR-1 to DR-9: the owners know within a second, the rest goes back."""
        owners = {project: self.stage.owner(project) for project in PROJECTS}
        campaign_id = self.stage.begin("2.0", "s2")
        wait_for("a node is done", lambda: self._is_one_done(campaign_id), 60)
        cut_at = time.time()
        self.stage.bed.node(self.CUT).link_down()
        for project, owner in owners.items():
            self._assert_told(project, owner, cut_at)
        ended = self.stage.wait_end(campaign_id, 180)
        self.assertEqual("rolled_back", ended["state"], ended["state_reason"])
        self.assertIn(self.CUT, ended["state_reason"])
        self.assert_versions(self.all_at("1.0"))
        self._assert_quarantined()
        self._assert_kept(campaign_id)

    def _is_one_done(self, campaign_id: str) -> bool:
        return any(
            step["name"] == "uncordon" and step["state"] == "done"
            for step in self.stage.steps(campaign_id)
        )

    def _assert_told(
        self, project: str, owner: consumer.ConsumerProcess, cut_at: float
    ) -> None:
        """The owner hears of its own instances only, in time."""
        wait_for(f"{project} is told", lambda: _down(owner.heard()) != [], 10)
        (heard,) = _down(owner.heard())
        (fault,) = heard["body"]["faults"]
        times = fault["times"]
        took = heard["at"] - times["T1"]
        self.tell(
            f"{project}: cut -> detected {(times['T1'] - cut_at) * 1000:.0f} ms, "
            f"detected -> handler {took * 1000:.1f} ms, "
            f"{len(fault['instances'])} instances"
        )
        self.assertLess(took, BUDGET_S)
        self.assertTrue(fault["is_marked_down"])
        names = [each["name"] for each in fault["instances"]]
        self.assertIn(f"{project}-{self.CUT}", names)
        self.assertEqual([], [n for n in names if not n.startswith(f"{project}-")])

    def _assert_quarantined(self) -> None:
        hosts = {h["name"]: h for h in self.stage.api.pages("/v1/hosts", "hosts")}
        quarantined = [n for n, host in hosts.items() if host["is_quarantined"]]
        self.assertEqual([self.CUT], quarantined)
        self.assertEqual("down", hosts[self.CUT]["state"])
        self.assertEqual("1.0", installed_fact(hosts[self.CUT]))

    def _assert_kept(self, campaign_id: str) -> None:
        """The fault and every hop of it can be asked for afterwards (DR-9)."""
        (brief,) = self.stage.faults(self.CUT)
        wait_for("the notices are settled", lambda: self._settled(brief["id"]) == 3)
        fault = self.stage.api.get(f"/v1/faults/{brief['id']}")["fault"]
        self.assertEqual([campaign_id], fault["campaign_ids"])
        for notice in fault["notices"]:
            self.assertEqual("delivered", notice["state"])
            self.assertLess(notice["detected_to_taken_ms"], BUDGET_S * 1000)

    def _settled(self, fault_id: str) -> int:
        fault = self.stage.api.get(f"/v1/faults/{fault_id}")["fault"]
        return len(fault["notices"])


class TestKilledServices(RealNodes):
    has_spare = True
    start_takes_s = 1.5
    """Long enough for a kill to hit the middle of an installation."""

    def test_d_killed_services_lose_and_repeat_nothing(self) -> None:
        """RU-1, E-0: the campaign ends, once per node, and no fault is lost."""
        dice = random.Random(SEED)
        for node in self.stage.computes:
            node.write(packages.SLOW_MARK, str(self.start_takes_s))
        owners = {project: self.stage.owner(project) for project in PROJECTS}
        spare = spare_node.Spare(self.stage)
        campaign_id = self.stage.begin("2.0", "s2")
        victims = ["conductor", "agent", "inspector", "rabbit"]
        dice.shuffle(victims)
        moments = sorted(dice.sample(range(1, 26), len(victims)))
        for victim, moment in zip(victims, moments, strict=True):
            self._kill_at(dice, campaign_id, victim, moment, spare)
        ended = self.stage.wait_end(campaign_id, 300)
        self.assertEqual("committed", ended["state"], ended["state_reason"])
        expected = ["1.0 configure none", "2.0 configure 1.0"]
        for node in self.stage.computes:
            self.assertEqual(expected, self.stage.runs(node.name), node.name)
        self.assert_versions({**self.all_at("2.0"), SPARE: "1.0"})
        self.assert_budgets_held(campaign_id)
        self._assert_no_fault_lost(owners, spare)

    def _kill_at(
        self,
        dice: random.Random,
        campaign_id: str,
        victim: str,
        moment: int,
        spare: spare_node.Spare,
    ) -> None:
        """Kill ``victim`` once ``moment`` steps are done, then restart it."""
        wait_for(
            f"{moment} steps are done",
            lambda: self.stage.steps_done(campaign_id) >= moment,
            180,
        )
        away_s = dice.uniform(0.2, 1.5)
        name = self._agent_at_work(campaign_id) if victim == "agent" else victim
        done = self.stage.steps_done(campaign_id)
        is_fault_due = victim in ("inspector", "rabbit")
        if is_fault_due:
            spare.wait_mended()
        self._kill(name)
        if is_fault_due:
            spare.cut()
        self.tell(f"seed {SEED}: kill -9 {name} after {done} steps for {away_s:.2f} s")
        time.sleep(away_s)
        self._restart(name)
        if is_fault_due:
            spare.begin_mending()

    def _kill(self, name: str) -> None:
        if name == "rabbit":
            self.stage.rabbit.kill9()
        else:
            self.stage.services.kill9(name)

    def _restart(self, name: str) -> None:
        if name == "rabbit":
            self.stage.rabbit.restart()
        else:
            self.stage.services.restart(name)

    def _agent_at_work(self, campaign_id: str) -> str:
        """Return a node whose packages are being changed; wait for one."""
        working: list[str] = []

        def is_one_working() -> bool:
            working[:] = [
                str(step["host"])
                for step in self.stage.patient_steps(campaign_id)
                if step["name"] == "install" and step["state"] == "running"
            ]
            return working != []

        wait_for("a node installs", is_one_working, 60)
        return working[0]

    def _assert_no_fault_lost(
        self, owners: dict[str, consumer.ConsumerProcess], spare: spare_node.Spare
    ) -> None:
        spare.wait_mended()
        ids = {fault["id"] for fault in spare.faults()}
        self.assertEqual((2, 2), (spare.cuts, len(ids)))
        for project, owner in owners.items():
            self._wait_told(project, owner, ids)
            notices = [heard["body"]["notice_id"] for heard in _down(owner.heard())]
            self.tell(f"{project}: {len(notices)} notices of {len(ids)} faults")

    def _wait_told(
        self, project: str, owner: consumer.ConsumerProcess, ids: set[str]
    ) -> None:
        wait_for(f"{project} hears all", lambda: _told(owner) >= ids, 60)


def installed_fact(host: dict[str, Any]) -> str:
    """Return the version that the host's agent told last."""
    return str(host["facts"]["package"][packages.NAME])


def _down(heard: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in heard if each["body"]["event"] == "host.down"]


def _told(owner: consumer.ConsumerProcess) -> set[str]:
    faults = itertools.chain.from_iterable(
        heard["body"]["faults"] for heard in _down(owner.heard())
    )
    return {fault["fault_id"] for fault in faults}


def _span(steps: list[dict[str, Any]]) -> tuple[float, float]:
    starts = [epoch(step["started_at"]) for step in steps]
    ends = [epoch(step["ended_at"]) for step in steps]
    return min(starts), max(ends)
