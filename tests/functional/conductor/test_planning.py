"""Campaign files and operators' wishes on a real SQLite database."""

import dataclasses
import datetime
import os
import tempfile
import unittest

import sqlalchemy as sa

from escalator import errors
from escalator.conductor import explaining, hosts, inventory, planning, steering
from escalator.db import models, residents, timings
from escalator.drivers.vim import simulated
from tests.fixtures import campaigns
from tests.fixtures import engine as beds

DOCUMENT = """
apiVersion: escalator.campaign/v1
kind: Campaign
metadata: {name: one, owner: noc, smoothness: smooth}
params:
  version: {type: string, default: "2.0"}
selectors:
  computes: {match: {role: compute}, exclude: [{state: quarantined}]}
budgets:
  - {id: rack, scope: {by: rack}, max_down: 1}
checkpoints:
  - {id: cp, driver: package_manifest}
recovery:
  ladder:
    - {try: rollback, scope: campaign}
  on_fault: {do: rollback, scope: campaign}
procedures:
  - id: computes
    level: 10
    select: computes
    method: rolling
    parallel: 2
    budgets: [rack]
    on_failure: ladder
    steps:
      - {id: cp, checkpoint: cp, expected: 1s, timeout: 5s}
      - id: install
        action: package.install
        with: {packages: {demo-service: "${version}"}}
        expected: 1s
        timeout: 5s
        undo: package.restore
        idempotent: probe
"""

BOMB = "&a [" + "x, " * 99 + "x]\n    b: [" + "*a, " * 21 + "*a]"
"""Aliases of aliases: small to send, large to build."""


GONE = """schedule:
  windows: [{id: past, start: 2020-01-01T22:00+01:00, end: 2020-01-02T05:00Z}]
"""


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.database = beds.database(
            "sqlite:///" + os.path.join(folder.name, "e.sqlite")
        )
        self.addCleanup(self.database.dispose)
        self.bed = beds.EngineBed(self.database, beds.FakeFleet())
        self.plans = planning.Planning(self.bed.engine, campaigns.CATALOGUE)
        self.steers = steering.Steering(self.bed.engine, self.bed.execution)
        self.explains = explaining.Explaining(
            self.bed.engine, self.bed.execution.admission
        )

    def create(self, document=DOCUMENT, key=None, **params):
        return self.plans.create(document, params, "p", "u", key)

    def act(self, campaign_id, action, key=None, **arguments):
        self.steers.act(campaign_id, action, arguments, "op", key)

    def state(self, campaign_id):
        rows = {row["id"]: row for row in self.bed.rows(models.campaign)}
        return rows[campaign_id]["state"]

    def settle(self, campaign_id, *wanted):
        """Let the engine and the agents work until the campaign is so."""
        for _ in range(400):
            if self.state(campaign_id) in wanted:
                return
            self.bed.step()
        self.fail(f"{self.state(campaign_id)}: {self.bed.journal()[-9:]}")


class TestRefusals(Case):
    def test_windows_are_judged_by_the_clock_of_the_database(self):
        """CM-1: what is over is refused; the times may stand without quotes."""
        with self.assertRaises(errors.InvalidInput) as caught:
            self.create(DOCUMENT + GONE)
        found = [
            (each["rule"], each["pointer"], each["line"])
            for each in caught.exception.findings
            if each["severity"] == "error"
        ]
        line = (DOCUMENT + GONE).splitlines().index("schedule:") + 2
        self.assertEqual([("C745", "/schedule/windows", line)], found)
        self.create((DOCUMENT + GONE).replace("2020-01-02", "2999-01-02"))

    def test_bad_files_store_nothing_and_tell_place_rule_and_remedy(self):
        beds.add_hosts(self.database, 4)
        for change, rule in (
            (("undo: package.restore\n", "\n"), "C605"),
            (("idempotent: probe\n", "\n"), "C606"),
            (("timeout: 5s\n        undo", "timeout: 0.5s\n        undo"), "C604"),
            (("max_down: 1", "max_down: 0"), "C701"),
            (("select: computes", "select: nobody"), "C402"),
            (("role: compute}", "name: h001}"), "C401"),
            (("method: rolling", "method: rolling\n    colour: red"), "C201"),
            (("level: 10", "level: 10\n    level: 11"), "C102"),
            (("level: 10", "level: 10\n    after: [computes]"), "C501"),
            (("level: 10", f"level: {BOMB}"), "C104"),
            (("kind: Campaign", "kind: Campaign\nx: " + "x" * 100_000_000), "C104"),
            (("level: 10", "level: ${many"), "C304"),
        ):
            with self.subTest(rule):
                document = DOCUMENT.replace(*change)
                self.assertNotEqual(DOCUMENT, document)
                with self.assertRaises(errors.InvalidInput) as caught:
                    self.create(document)
                found = {each["rule"]: each for each in caught.exception.findings}
                self.assertIn(rule, found)
                self.assertTrue(found[rule]["remedy"])
                self.assertTrue(found[rule]["pointer"] or found[rule]["line"])
        for table in (models.campaign, models.plan_rev, models.journal, models.outbox):
            self.assertEqual([], self.bed.rows(table), table.name)

    def test_the_same_request_gives_the_same_campaign(self):
        """Crash-safe: a client that heard nothing may ask again."""
        beds.add_hosts(self.database, 4)
        first = self.create(key="k")
        self.assertEqual(first, self.create(key="k"))
        with self.assertRaises(errors.Conflict):
            self.create(key="k", version="3.0")
        self.assertEqual(1, len(self.bed.rows(models.campaign)))


class TestSteering(Case):
    def test_preflight_refuses_and_leaves_it_validated(self):
        """V-5: no partial entry."""
        campaign_id = self.create()
        self.act(campaign_id, "start")
        self.assertEqual("validated", self.state(campaign_id))
        beds.add_hosts(self.database, 4)
        with self.database.begin() as connection:
            connection.execute(
                models.host.update()
                .where(models.host.c.name == "h002")
                .values(state="down")
            )
        self.act(campaign_id, "start")
        row = self.bed.rows(models.campaign)[0]
        self.assertEqual("validated", row["state"])
        self.assertIn("h002", row["state_reason"])
        self.assertEqual([], self.bed.rows(models.slot))

    def test_pause_of_a_rack_and_of_everything(self):
        """Rule 7: closed to a part, then to all; every wait has its reason."""
        beds.add_hosts(self.database, 6, racks=3)
        campaign_id = self.create()
        self.act(campaign_id, "start", key="one")
        self.act(campaign_id, "start", key="one")
        self.act(campaign_id, "pause", rack="r1")
        for _ in range(12):
            self.bed.step()
        touched = {host for host, _, _ in self.bed.fleet.log}
        self.assertEqual({"h000", "h002", "h003", "h005"}, touched)
        waits = {w["host"]: w["reason"] for w in self.explains.explain(campaign_id)}
        self.assertEqual({"h001", "h004"}, set(waits))
        self.assertIn("closed by an operator", waits["h001"])
        self.act(campaign_id, "pause")
        self.bed.step()
        self.assertEqual("paused", self.state(campaign_id))
        self.act(campaign_id, "resume", rack="r1")
        self.act(campaign_id, "resume")
        self.assertEqual("committed", self.bed.run_until(["committed"]))

    def test_cancel_only_if_no_host_is_midway(self):
        beds.add_hosts(self.database, 2)
        campaign_id = self.create()
        self.act(campaign_id, "start")
        self.bed.execution.look_at_all()
        self.act(campaign_id, "pause")
        with self.assertRaisesRegex(errors.Conflict, "h000"):
            self.act(campaign_id, "cancel")
        with self.assertRaises(errors.IllegalMove):
            self.act(campaign_id, "start")
        with self.assertRaises(errors.NotFound):
            self.act("00000000-0000-4000-8000-000000000000", "start")
        self.act(campaign_id, "rollback", reason="enough")
        self.assertEqual("rolled_back", self.bed.run_until(["rolled_back"]))

    def test_hold_and_resume(self):
        """A failed step is tried again after an operator's resume."""
        failing = [True]

        def program(order, times):
            if order.action == "package.install" and failing and order.host == "h001":
                return ("failed", "permanent", "planted")
            return None

        self.bed.fleet.program = program
        beds.add_hosts(self.database, 3)
        document = DOCUMENT.replace("{try: rollback, scope: campaign}", "{try: hold}")
        campaign_id = self.create(document)
        self.act(campaign_id, "start")
        self.assertEqual("holding", self.bed.run_until(["holding"]))
        failing.clear()
        self.act(campaign_id, "resume")
        self.assertEqual("committed", self.bed.run_until(["committed", "holding"]))

    def test_release_of_a_quarantined_host(self):
        """P-4c: it is selected again; a host that is down stays quarantined."""
        beds.add_hosts(self.database, 3)
        keeps = hosts.Hosts(self.bed.engine)
        keeps.act("h001", "quarantine", {"reason": "fan"}, "op")
        keeps.act("h001", "quarantine", {"reason": "again"}, "op")
        self.assertEqual((True, "fan"), self.quarantine_of("h001"))
        campaign_id = self.create()
        self.act(campaign_id, "start")
        self.bed.run_until(["committed"])
        touched = {row["host"] for row in self.bed.rows(models.slot)}
        self.assertEqual({"h000", "h002"}, touched)
        self.set_state("h001", "down")
        with self.assertRaisesRegex(errors.Conflict, "repair it first"):
            keeps.act("h001", "release", {}, "op")
        self.set_state("h001", "up")
        keeps.act("h001", "release", {}, "op")
        keeps.act("h001", "release", {}, "op")
        self.assertEqual((False, ""), self.quarantine_of("h001"))
        with self.assertRaises(errors.NotFound):
            keeps.act("nobody", "release", {}, "op")
        with self.assertRaisesRegex(errors.InvalidInput, "quarantine, release"):
            keeps.act("h001", "explode", {}, "op")

    def quarantine_of(self, name):
        rows = {row["name"]: row for row in self.bed.rows(models.host)}
        return rows[name]["is_quarantined"], rows[name]["quarantine_reason"]

    def set_state(self, name, state):
        with self.database.begin() as connection:
            connection.execute(
                models.host.update()
                .where(models.host.c.name == name)
                .values(state=state)
            )

    def test_two_campaigns_share_the_fleet_safely(self):
        """CM-5: never the same host at once, and the rack limit holds together."""
        beds.add_hosts(self.database, 6, racks=2)
        first, second = self.create(), self.create()
        self.act(first, "start")
        self.act(second, "start")
        out = []
        for _ in range(200):
            self.bed.step()
            open_now = [
                row for row in self.bed.rows(models.slot) if row["state"] == "active"
            ]
            hosts = [row["host"] for row in open_now]
            self.assertEqual(len(hosts), len(set(hosts)))
            racks = [int(host[1:]) % 2 for host in hosts]
            out += [count for count in map(racks.count, (0, 1)) if count > 1]
            if {self.state(first), self.state(second)} == {"committed"}:
                break
        self.assertEqual([], out)
        self.assertEqual("committed", self.state(first))
        self.assertEqual("committed", self.state(second))


class TestForecast(Case):
    """What a file would do (P-0): pure, and nothing is stored."""

    def setUp(self):
        super().setUp()
        beds.add_hosts(self.database, 6, racks=3)

    def forecast(self, seed=1):
        return self.plans.forecast(DOCUMENT, {}, seed)

    def test_the_same_file_inventory_and_seed_give_the_same_plan(self):
        one = self.forecast()
        self.assertEqual(one, self.forecast())
        self.assertNotEqual(one["digest"], self.forecast(seed=2)["digest"])
        self.assertEqual([], self.bed.rows(models.campaign))

    def test_a_plan_that_does_not_fit_into_its_windows_is_told(self):
        """CM-1: six visits, two at once, in a window with room for one round."""
        with self.database.begin() as connection:
            now = self.database.now(connection)
        at = datetime.datetime.fromtimestamp(now + 1000.0, datetime.UTC)
        at = at.replace(microsecond=0)
        end = at + datetime.timedelta(seconds=4)
        window = f"{{id: w, start: {at:%FT%T}Z, end: {end:%FT%T}Z}}"
        document = f"{DOCUMENT}schedule: {{windows: [{window}]}}\n"
        told = self.plans.forecast(document, {}, 1, {"parallel.computes": "1"})
        first_s = min(each["start_s"] for each in told["visits"])
        self.assertTrue(900.0 < first_s <= 1000.0, first_s)
        self.assertLess(told["what_if"]["before"]["end_s"]["p50"], 1100.0)
        self.assertIn(told["left"], (2, 3, 4))
        self.assertEqual(0.0, told["closed"][0]["start_s"])
        (found,) = [each for each in told["findings"] if each["rule"] == "C748"]
        line = len(document.splitlines())
        self.assertEqual(("warning", line), (found["severity"], found["line"]))
        self.assertIn(f"up to {told['left']} hosts are left", found["detail"])
        self.assertFalse(told["what_if"]["before"]["is_feasible"])
        later = document.replace(f"end: {end:%FT%T}Z", "end: 2999-01-01T00:00:00Z")
        told = self.plans.forecast(later, {}, 1, {"parallel.computes": "1"})
        self.assertEqual([], told["findings"])
        self.assertEqual(0, told["left"])
        self.assertTrue(told["what_if"]["before"]["is_feasible"])

    def test_budgets_hold_and_everybody_goes_out(self):
        told = self.forecast()
        hosts = {row["name"] for row in self.bed.rows(models.host)}
        self.assertEqual(hosts, {each["host"] for each in told["visits"]})
        self.assertEqual(2, told["most_out"])
        self.assertEqual([], told["stuck"])
        self.assertLess(0, told["end_s"]["p50"])
        self.assertLessEqual(told["end_s"]["p50"], told["end_s"]["p90"])

    def test_measured_times_count_in_the_next_plan(self):
        before = self.forecast()
        self.learn("package.install", 60.0)
        after = self.forecast()
        self.assertGreater(after["end_s"]["expected"], before["end_s"]["expected"] + 60)
        self.assertNotEqual(before["digest"], after["digest"])

    def test_what_if(self):
        """P-2: compared with the plan as it is, by the same seed."""
        told = self.plans.forecast(DOCUMENT, {}, 1, {"parallel.computes": "1"})
        found = told.pop("what_if")
        self.assertEqual(self.forecast(), told, "the plan itself is as without")
        again = self.plans.forecast(DOCUMENT, {}, 1, {"parallel.computes": 1})
        self.assertEqual(found, again["what_if"])
        before, after = found["before"], found["after"]
        self.assertGreater(after["end_s"]["p50"], 1.5 * before["end_s"]["p50"])
        self.assertEqual({"committed": 1.0}, after["outcomes"])
        self.assertEqual(([], True), (found["relaxations"], after["is_feasible"]))
        self.assertEqual([], self.bed.rows(models.campaign))

    def test_a_bad_question_is_refused(self):
        with self.assertRaises(errors.InvalidInput) as caught:
            self.plans.forecast(DOCUMENT, {}, 1, {"parallel.nobody": "1"})
        (finding,) = caught.exception.findings
        self.assertIn("computes", finding["remedy"])

    def test_the_time_of_a_restore_is_not_that_of_its_checkpoint(self):
        """R-1: both bear the name of the driver."""
        self.learn("package_manifest", 1.0)
        with self.bed.database.begin() as connection:
            self.assertTrue(timings.read_learned(connection))
            connection.execute(sa.update(models.step).values(intent="restore"))
            self.assertEqual({}, timings.read_learned(connection))

    def test_failures_of_earlier_campaigns_count(self):
        """P-4e: a fifth of the installs failed, so did they in the simulation."""
        self.learn("package.install", 1.0)
        lines = [
            {
                "at": 1000.0 + at,
                "campaign_id": "c" * 36,
                "object_type": "step",
                "object_id": f"{number:036d}",
                "to_state": state,
                "attempt": 1,
            }
            for number in range(5)
            for at, state in enumerate(("dispatched", "failed" if not number else ""))
            if state
        ]
        with self.bed.database.begin() as connection:
            connection.execute(sa.insert(models.journal), lines)
            values = {"failure_class": "permanent"}
            first = models.step.c.id == f"{0:036d}"
            connection.execute(sa.update(models.step).where(first).values(**values))
            library = timings.read_fault_library(connection)
        (rate,) = library.rates["package.install"]
        self.assertEqual(("permanent", 0.2), (rate.failure_class, rate.probability))
        found = self.plans.forecast(DOCUMENT, {}, 1, {})["what_if"]
        self.assertNotEqual({"committed": 1.0}, found["before"]["outcomes"])
        self.assertEqual(found["before"], found["after"])

    def learn(self, action, seconds):
        """Store steps of an earlier campaign that took so long."""
        host = self.bed.rows(models.host)[0]["name"]
        rows = [
            {
                "id": f"{number:036d}",
                "campaign_id": "c" * 36,
                "slot_id": "s" * 36,
                "host": host,
                "action": action,
                "intent": "run",
                "state": "done",
                "created_at": 1000.0,
                "started_at": 1000.0,
                "ended_at": 1000.0 + seconds,
            }
            for number in range(5)
        ]
        with self.bed.database.begin() as connection:
            connection.execute(sa.insert(models.step), rows)


class TestResidents(Case):
    def test_the_inventory_tells_whose_instances_are_where(self):
        """P-2: owners and anti-affinity groups of what is drained."""
        source = {
            "hosts": [{"name": "a"}, {"name": "b"}],
            "instances": [
                {"id": "1", "name": "1", "project": "red", "host": "a", "group": "g"},
                {"id": "2", "name": "2", "project": "red", "host": "a"},
                {"id": "3", "name": "3", "project": "red", "host": "a"},
            ],
        }
        vim = simulated.Simulated(os.path.join(self.folder, "vim.sqlite"), source)
        stock = inventory.Inventory(self.bed.engine, vim)
        for host in ("a", "b"):
            stock.sync()
            with self.database.begin() as connection:
                read = residents.read(connection)
            found = [dataclasses.astuple(each) for each in read.pop(host)]
            self.assertEqual([("red", "", 2), ("red", "g", 1)], found)
            self.assertEqual({}, read)
            vim.drain("a")
