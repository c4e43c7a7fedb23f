"""Preflights that ask agents and have them mend, on a real SQLite database."""

import collections
import contextlib
import dataclasses
import datetime
import pathlib
import tempfile

import sqlalchemy as sa

from escalator import errors
from escalator.agent import inquiry
from escalator.conductor import inquiring, inventory, preflight, steering
from escalator.db import models, preflight_orders
from escalator.domain import commands, events, remedies
from escalator.drivers import fleet as fleets
from escalator.drivers import loader
from escalator.drivers.action import package, simulated
from tests.fixtures import crash, debian, folding
from tests.fixtures import engine as beds
from tests.functional.conductor import test_preflight

DISK = (
    "checks: {disk: {remediate: {action: command.run, with: {command: clean},"
    " timeout: 5s}}}, min_disk_gib: 5"
)
ARTIFACTS = "checks: {artifacts: %s}"
FIGURES = "checks: {statistics: report, logs: block}, limits: {logs: {file_errors: 2}}"


class Fleet(beds.FakeFleet):
    """Answers questions by the simulated actions; a remedy makes room, or none.

    :ivar disk: host -> free GiB.
    :ivar hopeless: hosts on which the remedy does not help.
    :ivar collectors: what agents have to collect figures with.
    :ivar log_files: host -> the files that are counted.
    """

    def __init__(self):
        super().__init__()
        self.packages = fleets.Fleet()
        self.disk = {}
        self.hopeless = set()
        self.collectors = loader.load_classes("escalator.collector")
        self.log_files = {}
        self.asked = []

    def run(self, order):
        key = (order.step_id, order.fence)
        is_known = key in self.outcomes
        report = super().run(order)
        if is_known or report is None or report.outcome != "done":
            return report
        if order.intent == commands.REMEDY and order.host not in self.hopeless:
            self.disk[order.host] = 50
        if order.kind != commands.ASK:
            return report
        self.asked.append(order.host)
        action, resources = self.driver(order.host)
        source = inquiry.Inquiry(
            {"package.install": action},
            {**resources, "log_files": self.log_files.get(order.host, ())},
            lambda: {"disk_free_gib": self.disk.get(order.host, 50)},
            self.collectors,
        )
        try:
            told = {"result": source.answer(order)}
        except errors.ActionFailed as error:
            told = {"outcome": "failed", "detail": str(error)}
        self.outcomes[key] = dataclasses.replace(report, **told)
        return self.outcomes[key]

    def driver(self, host):
        """Return what installs packages on a host, and what it needs."""
        return simulated.Install, {"fleet": self.packages}


class AptFleet(Fleet):
    """The real package driver on nodes that exist in memory."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.nodes = collections.defaultdict(debian.FakeNode)

    def driver(self, host):
        sources = f"{self.folder}/{host}.list"
        return package.Install, {"jobs": self.nodes[host], "apt_sources": sources}


class Case(test_preflight.Case):
    def setUp(self):
        super().setUp()
        self.fleet = self.bed.fleet = Fleet()

    def low(self, *hosts):
        for name in hosts:
            self.host(name, facts={"disk_free_gib": 1})
            self.fleet.disk[name] = 1

    def remedied(self):
        """Return host -> how often the remedy acted there."""
        found = {}
        for (host, action, _), times in self.fleet.effects.items():
            if action == "command.run":
                found[host] = found.get(host, 0) + times
        return found

    def waits(self, campaign_id):
        return [(w["host"], w["code"]) for w in self.explains.explain(campaign_id)]

    def expire(self):
        """Let what was ordered be long past its deadline."""
        self.change(models.preflight_order, sa.true(), hard_at=1.0)


class TestRemedies(Case):
    def test_what_is_found_is_mended_before_the_first_step(self):
        """V-7: by the declared action, then judged anew; the report keeps it."""
        campaign_id = self.made_with(DISK)
        self.low("h001", "h003")
        self.act(campaign_id, "start")
        self.assertEqual("preflight", self.state(campaign_id))
        self.assertEqual("waits", self.report(campaign_id)["verdict"])
        self.assertEqual(("", "W144"), self.waits(campaign_id)[0])
        self.assertIn(("h001", "W142"), self.waits(campaign_id))
        self.assertIn(("h003", "W143"), self.waits(campaign_id))
        self.assertIn("remedies on 2 hosts", self.row(campaign_id)["state_reason"])
        self.settle(campaign_id, "running")
        self.assertEqual({"h001": 1, "h003": 1}, self.remedied())
        self.assertEqual(
            [("h001", "dispatched"), ("h001", "done"),
             ("h003", "dispatched"), ("h003", "done")],
            [(row["host"], row["to_state"]) for row in self.bed.rows(models.journal)
             if row["intent"] == "remedy"],
            "the rack budget lets one out",
        )  # fmt: skip
        report = self.report(campaign_id)
        self.assertEqual(("passed", []), (report["verdict"], report["findings"]))
        self.assertEqual(
            [("h001", "disk", "command.run", "done"),
             ("h003", "disk", "command.run", "done")],
            [(r["host"], r["check"], r["action"], r["state"])
             for r in report["remedies"]],
        )  # fmt: skip
        for each in report["remedies"]:
            self.assertLessEqual(each["started_at"], each["ended_at"])
        hosts = {row["name"]: row for row in self.bed.rows(models.host)}
        self.assertEqual(50, hosts["h001"]["facts"]["disk_free_gib"])
        self.assertEqual([], self.bed.rows(models.preflight_order))
        self.assertEqual([], self.bed.rows(models.preflight_wait))
        self.settle(campaign_id, "committed")
        self.assertEqual({"h001": 1, "h003": 1}, self.remedied())
        self.assertEqual([], folding.unfolded(self.bed))

    def test_what_it_does_not_mend_blocks_with_both_texts(self):
        campaign_id = self.made_with(DISK)
        self.low("h001")
        self.fleet.hopeless = {"h001"}
        self.act(campaign_id, "start")
        self.settle(campaign_id, "validated")
        reason = self.row(campaign_id)["state_reason"]
        self.assertIn("h001: 1 GiB are free, 5 are needed", reason)
        self.assertIn("; remedy command.run done at 20", reason)
        self.assertEqual({"h001": 1}, self.remedied())
        self.assertEqual([], self.bed.rows(models.slot))
        occupied = [r["name"] for r in self.bed.rows(models.host) if r["campaign_id"]]
        self.assertEqual([], occupied)

    def test_one_that_fails_blocks_too(self):
        self.fleet.program = lambda order, times: (
            ("failed", "permanent", "exit status 3")
            if order.intent == commands.REMEDY
            else None
        )
        campaign_id = self.made_with(DISK)
        self.low("h001")
        self.act(campaign_id, "start")
        self.settle(campaign_id, "validated")
        reason = self.row(campaign_id)["state_reason"]
        self.assertIn("remedy command.run failed: exit status 3", reason)
        (kept,) = self.report(campaign_id)["remedies"]
        self.assertEqual(("failed", "exit status 3"), (kept["state"], kept["detail"]))

    def test_an_agent_in_doubt_is_ordered_again_and_a_late_report_is_told(self):
        """Rule 5: a remedy may be repeated, or the rules refuse it (C821)."""
        reports = []

        def program(order, times):
            if order.intent != commands.REMEDY:
                return None
            reports.append(order)
            return ("unknown", "", "interrupted") if times == 1 else None

        self.fleet.program = program
        campaign_id = self.made_with(DISK)
        self.low("h001")
        self.act(campaign_id, "start")
        self.settle(campaign_id, "running")
        self.assertEqual([False, True], [each.is_resumed for each in reports])
        self.assertEqual([1, 2], [each.fence for each in reports])
        self.assertEqual({"h001": 1}, self.remedied())

    def test_nothing_is_mended_if_the_start_is_refused_anyway(self):
        campaign_id = self.made_with(DISK)
        self.low("h001")
        self.host("h002", state="down")
        self.act(campaign_id, "start")
        self.assertEqual("validated", self.state(campaign_id))
        self.bed.step()
        self.assertEqual({}, self.remedied())

    def test_a_plain_preflight_mends_nothing_and_says_what_a_start_would(self):
        campaign_id = self.made_with(DISK)
        self.low("h001")
        self.act(campaign_id, "preflight")
        self.bed.step()
        report = self.report(campaign_id)
        (found,) = report["findings"]
        self.assertEqual(("passed", "remediate"), (report["verdict"], found["effect"]))
        self.assertEqual({}, self.remedied())
        self.act(campaign_id, "start")
        self.settle(campaign_id, "running")
        self.assertEqual({"h001": 1}, self.remedied())

    def paused_before(self, host):
        """Pause a campaign, and let the disk of a host run full meanwhile."""
        campaign_id = self.made_with(DISK)
        self.act(campaign_id, "start")
        self.bed.step()
        self.act(campaign_id, "pause")
        self.settle(campaign_id, "paused")
        self.low(host)
        return campaign_id

    def test_resume_mends_what_became_worse(self):
        campaign_id = self.paused_before("h003")
        self.act(campaign_id, "resume", key="k")
        self.act(campaign_id, "resume", key="k")
        self.assertEqual("paused", self.state(campaign_id))
        self.settle(campaign_id, "committed")
        self.assertEqual({"h003": 1}, self.remedied())

    def test_a_rollback_meanwhile_wins(self):
        """The resume that waited is dropped, and told in the journal."""
        campaign_id = self.paused_before("h003")
        self.act(campaign_id, "resume")
        with self.assertRaisesRegex(errors.Conflict, "for resume is under way"):
            self.act(campaign_id, "preflight")
        self.act(campaign_id, "rollback")
        self.settle(campaign_id, "rolled_back")
        self.bed.step()
        dropped = [
            row["detail"] for row in self.bed.rows(models.journal)
            if row["to_state"] == "dropped"
        ]  # fmt: skip
        self.assertEqual(1, len(dropped))
        self.assertIn("resume: ", dropped[0])
        self.assertEqual([], self.bed.rows(models.preflight_wait))

    def test_a_rollback_mends_nobody_any_more(self):
        """R-2, V-7: a remedy whose turn had not come stays undone, and says why."""
        campaign_id = self.made_with(DISK)
        self.act(campaign_id, "start")
        self.bed.step()
        self.act(campaign_id, "pause")
        self.settle(campaign_id, "paused")
        self.low("h002", "h003")
        self.fleet.silent = {"h002", "h003"}
        self.act(campaign_id, "resume")
        states = {r["host"]: r["state"] for r in self.bed.rows(models.preflight_order)}
        self.assertEqual({"h002": "dispatched", "h003": "ready"}, states)
        self.act(campaign_id, "rollback")
        self.fleet.silent = set()
        self.expire()
        self.settle(campaign_id, "rolled_back")
        self.bed.step()
        self.assertEqual({}, self.remedied())
        told = {
            row["host"]: row["detail"] for row in self.bed.rows(models.journal)
            if row["object_type"] == "preflight_order" and row["to_state"] == "failed"
        }  # fmt: skip
        why = "not begun: the campaign is rolling back"
        self.assertEqual({"h002": "no answer in 5 s", "h003": why}, told)

    def test_a_gate_mends_nobody_once_its_campaign_rests(self):
        """E-0: a pause begins nothing, and a later opening asks anew."""
        campaign_id = self.made_with(DISK, is_staged=True)
        self.act(campaign_id, "start")
        self.low("h002", "h003")
        self.fleet.silent = {"h002", "h003"}
        self.change(models.preflight_report, sa.true(), made_at=1.0)
        while not (orders := self.bed.rows(models.preflight_order)):
            self.bed.step()
        states = {each["host"]: each["state"] for each in orders}
        self.assertEqual({"h002": "dispatched", "h003": "ready"}, states)
        self.act(campaign_id, "pause")
        self.fleet.silent = set()
        self.expire()
        self.settle(campaign_id, "paused")
        for _ in range(3):
            self.bed.step()
        self.assertEqual({}, self.remedied())
        self.act(campaign_id, "resume")
        self.settle(campaign_id, "committed")
        self.assertEqual({"h002": 1, "h003": 1}, self.remedied())

    def test_nothing_is_mended_before_a_revision_is_approved(self):
        """P-4a: the start is refused for it, so no host is touched."""
        document = test_preflight.DOCUMENT.replace(
            "procedures:\n",
            "on_drift: {approve_above: 0}\n" + test_preflight.WITH.format(wanted=DISK),
            1,
        )
        campaign_id = self.create(document)
        self.low("h001")
        self.host("h002", is_listed=False)
        self.act(campaign_id, "start")
        self.assertEqual("validated", self.state(campaign_id))
        self.bed.step()
        self.assertEqual({}, self.remedied())

    def test_no_cancel_while_a_host_is_mended(self):
        campaign_id = self.made_with(DISK)
        self.low("h001")
        self.fleet.silent = {"h001"}
        self.act(campaign_id, "start")
        with self.assertRaisesRegex(errors.Conflict, "under way on h001"):
            self.act(campaign_id, "cancel")
        with self.assertRaises(errors.IllegalMove):
            self.act(campaign_id, "start")
        self.expire()
        self.bed.step()
        self.bed.step()
        self.expire()
        self.settle(campaign_id, "validated")
        self.assertIn("no answer in 5 s", self.row(campaign_id)["state_reason"])
        self.act(campaign_id, "cancel")


class TestArtifacts(Case):
    def missing(self, *hosts):
        for name in hosts:
            self.fleet.packages.withheld.add((name, "demo-service", "2.0"))

    def test_agents_are_asked_before_the_first_change(self):
        """V-3: the exact version, on each host, and nothing is changed there."""
        campaign_id = self.made_with(ARTIFACTS % "block")
        self.missing("h002")
        self.act(campaign_id, "start")
        self.assertEqual("preflight", self.state(campaign_id))
        self.settle(campaign_id, "validated")
        (found,) = self.report(campaign_id)["findings"]
        self.assertEqual("artifacts.missing", found["code"])
        self.assertIn("no repository has demo-service 2.0", found["text"])
        self.assertEqual(["h000", "h001", "h002", "h003"], sorted(self.fleet.asked))
        self.assertEqual([], self.fleet.packages.effects())
        self.assertEqual([], self.bed.rows(models.slot))

    def test_the_real_driver_asks_apt(self):
        """V-3: what apt says stands in the report; no package is changed."""
        self.fleet = self.bed.fleet = AptFleet(self.folder)
        self.fleet.nodes["h002"].available.discard(("demo-service", "2.0"))
        down = self.fleet.nodes["h003"].answers
        down["ask-0-update"] = (100, "E: Failed to fetch http://mirror")
        campaign_id = self.made_with(ARTIFACTS % "block")
        self.act(campaign_id, "start")
        self.settle(campaign_id, "validated")
        texts = {f["host"]: f["text"] for f in self.report(campaign_id)["findings"]}
        self.assertEqual({"h002", "h003"}, set(texts))
        self.assertIn("E: Version '2.0' for 'demo-service' was not", texts["h002"])
        self.assertIn("Failed to fetch http://mirror", texts["h003"])
        self.assertEqual([0] * 4, [n.changes for n in self.fleet.nodes.values()])

    def test_hosts_that_cannot_have_it_are_left_out(self):
        campaign_id = self.made_with(ARTIFACTS % "exclude_and_report")
        self.missing("h002")
        self.act(campaign_id, "start")
        self.settle(campaign_id, "committed")
        touched = {host for host, intent, _ in self.fleet.log if intent == "run"}
        self.assertEqual({"h000", "h001", "h003"}, touched)

    def test_an_agent_that_does_not_answer_is_a_finding(self):
        """Bounded: nobody waits for ever."""
        campaign_id = self.made_with(ARTIFACTS % "block")
        self.fleet.silent = {"h003"}
        self.act(campaign_id, "preflight")
        self.bed.step()
        self.bed.step()
        self.assertEqual("waits", self.report(campaign_id)["verdict"])
        self.assertIn(("h003", "W141"), self.waits(campaign_id))
        self.expire()
        self.bed.step()
        self.bed.step()
        report = self.report(campaign_id)
        self.assertEqual("refused", report["verdict"])
        (found,) = report["findings"]
        self.assertEqual(("artifacts.unknown", "h003"), (found["code"], found["host"]))
        self.assertIn(f"no answer in {remedies.ASK_S:g} s", found["text"])

    def test_a_remedy_may_bring_it(self):
        remedy = "{remediate: {action: command.run, with: {command: x}, timeout: 5s}}"
        campaign_id = self.made_with(ARTIFACTS % remedy)
        self.missing("h002")
        fleet = self.fleet

        def program(order, times):
            if order.intent == commands.REMEDY:
                fleet.packages.withheld.clear()

        fleet.program = program
        self.act(campaign_id, "start")
        self.settle(campaign_id, "committed")
        self.assertEqual({"h002": 1}, self.remedied())
        self.assertEqual(2, fleet.asked.count("h002"))
        self.assertEqual(1, fleet.asked.count("h001"))

    def test_a_start_takes_over_what_a_preflight_asked(self):
        campaign_id = self.made_with(ARTIFACTS % "block")
        self.act(campaign_id, "preflight")
        self.act(campaign_id, "start")
        self.settle(campaign_id, "running")
        self.assertEqual(4, len(self.fleet.asked))

    def test_who_is_left_out_stays_so_while_others_are_asked(self):
        """Only the report that is made takes hosts in again."""
        wanted = "checks: {health: exclude_and_report, artifacts: block}"
        campaign_id = self.made_with(wanted)
        self.host("h001", agent_seen_at=1.0)
        self.act(campaign_id, "start")
        self.settle(campaign_id, "running")
        self.host("h001", agent_seen_at=4e9)
        self.fleet.silent = {"h003", "h002"}
        self.act(campaign_id, "preflight")
        self.bed.step()
        self.assertEqual("waits", self.report(campaign_id)["verdict"])
        self.assertEqual(
            ["h001"], [f["host"] for f in self.report(campaign_id)["findings"]]
        )
        self.assertNotIn("h001", {row["host"] for row in self.bed.rows(models.slot)})

    def test_a_cancel_forgets_the_questions(self):
        campaign_id = self.made_with(ARTIFACTS % "block")
        self.act(campaign_id, "start")
        self.act(campaign_id, "cancel")
        self.assertEqual([], self.bed.rows(models.preflight_wait))
        self.bed.step()
        self.assertEqual("cancelled", self.state(campaign_id))
        self.assertEqual("refused", self.report(campaign_id)["verdict"])

    def test_a_gate_asks_and_opens_by_itself(self):
        """The stage's gate waits for the agents, and for nobody else."""
        campaign_id = self.made_with(
            f"valid: 1s, {ARTIFACTS % 'block'}", is_staged=True
        )
        self.act(campaign_id, "preflight")
        self.bed.step()
        self.bed.step()
        self.act(campaign_id, "start")
        for _ in range(200):
            self.change(models.preflight_report, sa.true(), made_at=1.0)
            self.bed.step()
            if self.state(campaign_id) == "committed":
                break
        self.assertEqual("committed", self.state(campaign_id))
        self.assertGreater(self.fleet.asked.count("h003"), 2)
        self.assertEqual(2, self.fleet.asked.count("h000"), "it was done by then")


class TestCollection(Case):
    """V-6 by the real collectors, on files of the test."""

    def setUp(self):
        super().setUp()
        del self.fleet.collectors["journal"]
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name in ("h000", "h001", "h002", "h003"):
            path = pathlib.Path(folder.name, name)
            path.write_text("")
            self.fleet.log_files[name] = [str(path)]

    def log_errors(self, host, number):
        line = f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S} ERROR no route\n"
        pathlib.Path(*self.fleet.log_files[host]).write_text(line * number)

    def break_first(self, order, times):
        self.log_errors("h000", 5)

    def figures(self, campaign_id, name):
        """Return host -> (value, baseline) of one figure of the present report."""
        return {
            row["host"]: (row["value"], row["baseline"])
            for row in self.report(campaign_id)["readings"]
            if row["name"] == name
        }

    def test_a_report_has_all_three(self):
        campaign_id = self.made_with(FIGURES)
        self.add_fault("h001")
        self.log_errors("h002", 3)
        self.act(campaign_id, "preflight")
        self.bed.step()
        self.bed.step()
        report = self.report(campaign_id)
        self.assertEqual(["alarms", "statistics", "logs"], report["collected"])
        self.assertEqual(
            {"alarms", "statistics", "logs"}, {r["kind"] for r in report["readings"]}
        )
        fault = events.FaultType.LINK_DOWN.value
        self.assertEqual({"h001": (1, None)}, self.figures(campaign_id, fault))
        self.assertEqual(
            {"h000": (0, None), "h001": (0, None), "h002": (3, None),
             "h003": (0, None)},
            self.figures(campaign_id, "file_errors"),
        )  # fmt: skip
        self.assertEqual(4, len(self.figures(campaign_id, "load_per_core")))
        found = {(f["code"], f["host"]) for f in report["findings"]}
        self.assertEqual({("health.fault", "h001"), ("logs.high", "h002")}, found)

    def test_without_a_collector_it_is_incomplete(self):
        for kind, entry in (("logs", "files"), ("statistics", "host")):
            with self.subTest(kind):
                wanted = "checks: {statistics: block, logs: block}"
                campaign_id = self.made_with(wanted)
                kept = self.fleet.collectors.pop(entry)
                self.act(campaign_id, "start")
                self.settle(campaign_id, "validated")
                report = self.report(campaign_id)
                self.assertEqual("refused", report["verdict"])
                self.assertEqual(
                    {(f"{kind}.missing", host) for host in self.fleet.log_files},
                    {(f["code"], f["host"]) for f in report["findings"]},
                )
                self.fleet.collectors[entry] = kept
                self.act(campaign_id, "start")
                self.settle(campaign_id, "committed")

    def test_what_was_upgraded_is_held_against_the_start(self):
        """The baseline is what let it start; a gate asks those that are done, too."""
        campaign_id = self.made_with(f"valid: 1s, {FIGURES}", is_staged=True)
        self.log_errors("h000", 1)
        self.act(campaign_id, "preflight")
        self.bed.step()
        self.bed.step()
        self.act(campaign_id, "start")
        self.settle(campaign_id, "running")
        baseline = self.report(campaign_id)
        self.assertEqual(baseline["id"], baseline["baseline_id"])
        usual, self.fleet.program = self.fleet.program, self.break_first
        for _ in range(60):
            self.change(models.preflight_report, sa.true(), made_at=1.0)
            self.bed.step()
        self.fleet.program = usual
        report = self.report(campaign_id)
        self.assertEqual(baseline["id"], report["baseline_id"])
        self.assertEqual((5, 1), self.figures(campaign_id, "file_errors")["h000"])
        (found,) = report["findings"]
        self.assertEqual(("logs.high", "h000"), (found["code"], found["host"]))
        self.assertEqual({"h000"}, {r["host"] for r in self.bed.rows(models.slot)})
        self.log_errors("h000", 0)
        self.act(campaign_id, "approve")
        self.settle(campaign_id, "committed")


class TestTurns(Case):
    def test_a_gate_takes_nothing_over_from_a_person(self):
        """What was asked for is carried out; the gate's turn comes later."""
        campaign_id = self.made_with(ARTIFACTS % "block")
        self.act(campaign_id, "start")
        self.settle(campaign_id, "running")
        self.change(models.preflight_report, sa.true(), made_at=1.0)
        preflights, row = self.bed.execution.preflights, self.row(campaign_id)
        with self.database.begin() as connection:
            batch = self.bed.engine.batch(connection)
            asked = inquiring.Asked("approve", {"gate": "a/b"}, "op")
            inquiring.begin(connection, batch, row, asked, 1)
            self.assertTrue(
                preflight.is_wait(preflights.ensure(connection, batch, row))
            )
            wait = preflight_orders.read_wait(connection, campaign_id)
        self.assertEqual(("approve", "op"), (wait["verb"], wait["actor"]))
        self.bed.step()
        self.assertEqual([], self.bed.rows(models.preflight_wait))
        dropped = [r["detail"] for r in self.bed.rows(models.journal)
                   if r["to_state"] == "dropped"]  # fmt: skip
        self.assertEqual(1, len(dropped))
        self.assertRegex(dropped[0], "^approve: .* gate: a/b is none of")

    def test_two_conductors_mend_once(self):
        campaign_id = self.made_with(DISK)
        self.low("h001", "h002", "h003")
        other = beds.EngineBed(self.database, self.fleet, "other")
        self.act(campaign_id, "start")
        for _ in range(100):
            for bed in (self.bed, other):
                bed.step()
            if self.state(campaign_id) == "committed":
                break
        self.assertEqual("committed", self.state(campaign_id))
        self.assertEqual({"h001": 1, "h002": 1, "h003": 1}, self.remedied())

    def test_a_report_that_comes_twice_or_late_changes_nothing(self):
        """Rule 4: by compare-and-set on fence and state."""
        campaign_id = self.made_with(DISK)
        self.low("h001")
        self.bed.is_dropping = True
        self.act(campaign_id, "start")
        (order,) = self.bed.rows(models.preflight_order)
        with self.database.begin() as connection:
            connection.execute(sa.update(models.outbox).values(claimed_until=1.0))
        self.bed.is_dropping = False
        self.bed.box._deliver_all(self.bed.box._overdue())
        (report,) = self.bed.reports
        stale = dataclasses.replace(report, fence=report.fence + 1)
        self.bed.reports = [stale, report, report]
        self.settle(campaign_id, "running")
        late = [
            row["object_id"] for row in self.bed.rows(models.journal)
            if row["object_type"] == "preflight_order" and row["to_state"] == "late"
        ]  # fmt: skip
        self.assertEqual([order["id"]] * 2, late)
        self.assertEqual({"h001": 1}, self.remedied())

    def staged(self, wanted):
        """Return a started campaign that stops after its first host."""
        campaign_id = self.made_with(wanted, is_staged=True)
        self.act(campaign_id, "start")
        self.assertEqual("running", self.state(campaign_id))
        return campaign_id

    def test_a_gate_mends_what_became_worse_and_opens_by_itself(self):
        campaign_id = self.staged(DISK)
        self.low("h003")
        self.act(campaign_id, "preflight")
        self.assertEqual("passed", self.report(campaign_id)["verdict"])
        self.settle(campaign_id, "committed")
        self.assertEqual({"h003": 1}, self.remedied())

    def test_nobody_is_begun_while_it_is_mended(self):
        """V-7: by no other procedure of the level, not before the remedy is over."""
        storages = "selectors:\n  storages: {match: {role: storage}}\n"
        document = test_preflight.DOCUMENT.replace("selectors:\n", storages, 1)
        head, body = document.split("procedures:\n")
        other = body.replace("id: computes", "id: two", 1)
        other = other.replace("select: computes", "select: storages", 1)
        staged = body.replace("parallel: 2\n", test_preflight.STAGES, 1)
        wanted = test_preflight.WITH.format(wanted=DISK)
        for name in ("h002", "h003"):
            self.host(name, role="storage")
        campaign_id = self.create(
            head + wanted + staged + other.replace("parallel: 2", "parallel: 1")
        )
        interrupted = []

        def program(order, times):
            if order.intent != commands.REMEDY or interrupted:
                return None
            interrupted.append(order.host)
            return ("unknown", "", "interrupted")

        self.fleet.program = program
        self.act(campaign_id, "start")
        self.assertEqual("running", self.state(campaign_id))
        self.low("h003")
        self.change(models.preflight_report, sa.true(), made_at=1.0)
        self.settle(campaign_id, "committed")
        self.assertEqual(["h003"], interrupted)
        deeds = [each[1:] for each in self.fleet.log if each[0] == "h003"]
        self.assertEqual(("remedy", "command.run"), deeds[0])

    def test_a_gate_that_could_not_mend_it_asks_a_person(self):
        """An approval is a new wish: it is mended once more, and judged."""
        campaign_id = self.staged(DISK)
        self.low("h003")
        self.fleet.hopeless = {"h003"}
        self.change(models.preflight_report, sa.true(), made_at=1.0)
        for _ in range(30):
            self.bed.step()
        (gate,) = self.bed.rows(models.gate)
        self.assertEqual("waiting", gate["state"])
        self.assertIn("; remedy command.run done", gate["reason"])
        self.assertEqual({"h003": 1}, self.remedied())
        self.fleet.hopeless = set()
        self.act(campaign_id, "approve", reason="looked at it")
        self.settle(campaign_id, "committed")
        self.assertEqual({"h003": 2}, self.remedied())


class TestVimAgents(Case):
    closing = test_preflight.DOCUMENT.replace(
        "      - {id: cp,",
        "      - {id: close, action: vim.disable_scheduling, expected: 1s,"
        " timeout: 5s, undo: vim.enable_scheduling, idempotent: natural}\n"
        "      - {id: cp,",
    )

    def beat(self, **actions):
        self.hear({"actions": actions})

    def beat_without_actions(self):
        """What most beats are: only some tell what the agent can do."""
        self.hear({})

    def hear(self, told):
        stock = inventory.Inventory(self.bed.engine, None)
        stock.hear(events.AgentBeat("x1", "x1:0", ("vim",), told, 1.0, 1.0))
        stock.flush()

    def test_their_actions_are_held_against_the_plan(self):
        """V-3: any of them may get the order, so each needs every one."""
        campaign_id = self.create(self.closing)
        self.beat(**{"vim.disable_scheduling": "other"})
        self.act(campaign_id, "start")
        self.assertEqual("validated", self.state(campaign_id))
        texts = {f["code"]: f["text"] for f in self.report(campaign_id)["findings"]}
        self.assertIn("x1:0 does not have vim.enable", texts["actions.vim_missing"])
        self.assertIn("vim.disable", texts["actions.vim_version"])
        self.change(models.vim_agent, sa.true(), actions=None)
        self.act(campaign_id, "start")
        self.assertEqual("running", self.state(campaign_id))

    def test_one_that_was_never_heard_of_is_waited_for(self):
        """A start just after that of the services is none too early."""
        campaign_id = self.create(self.closing)
        self.act(campaign_id, "start")
        self.assertEqual([], self.report(campaign_id)["findings"])
        self.settle(campaign_id, "committed")

    def test_while_all_are_silent_nothing_is_begun(self):
        """O-0f: before the start by the preflight, later by admission; both say it."""
        campaign_id = self.create(self.closing)
        self.beat_without_actions()
        self.change(models.vim_agent, sa.true(), seen_at=1.0)
        self.act(campaign_id, "start")
        (found,) = self.report(campaign_id)["findings"]
        self.assertEqual("actions.vim_silent", found["code"])
        self.assertIn("vim.disable_scheduling, vim.enable_sched", found["text"])
        self.beat_without_actions()
        self.act(campaign_id, "start")
        self.assertEqual("running", self.state(campaign_id))
        self.change(models.vim_agent, sa.true(), seen_at=1.0)
        for _ in range(20):
            self.bed.step()
        self.assertEqual([], self.bed.rows(models.slot))
        self.assertEqual({"W135"}, {code for _, code in self.waits(campaign_id)})
        self.beat_without_actions()
        self.settle(campaign_id, "committed")


STRIDE = 3
"""Of the later places every so many-th is tried."""


class Killed(BaseException):
    """The conductor's process ends here."""


class Fuse:
    def __init__(self, left):
        self.left, self.passed = left, 0

    def __call__(self, place):
        self.passed += 1
        if self.passed == self.left:
            raise Killed(place)


class MortalBed(beds.EngineBed):
    """Passes a place before and after every commit, and after every message."""

    def __init__(self, url, fleet, fuse, name):
        super().__init__(crash.MortalDatabase(url, fuse), fleet, name, beds.settings())
        self.fuse = fuse

    def _deliver(self, message):
        super()._deliver(message)
        self.fuse(crash.AFTER_DELIVERY)


class TestKills(Case):
    """A conductor dies at every place; the next one repeats nothing."""

    def play(self, number, left):
        """Start a campaign; the conductor dies at place ``left``, 0: never."""
        url = f"sqlite:///{self.folder}/kill-{number}.sqlite"
        database = beds.database(url)
        self.addCleanup(database.dispose)
        beds.add_hosts(database, 3)
        fleet = Fleet()
        bed = beds.EngineBed(database, fleet)
        self.database, self.bed, self.fleet = database, bed, fleet
        self.plans.engine = bed.engine
        campaign_id = self.made_with(DISK)
        self.low("h001", "h002")
        fuse = Fuse(left)
        mortal = MortalBed(url, fleet, fuse, "mortal")
        self.addCleanup(mortal.database.dispose)
        with contextlib.suppress(Killed):
            mortal.steers.act(campaign_id, "start", {}, "op", "key")
            for _ in range(12):
                mortal.step()
        heir = beds.EngineBed(database, fleet, "heir", beds.settings())
        self.bed = heir
        self.steers = steering.Steering(heir.engine, heir.execution)
        with database.begin() as connection:
            connection.execute(sa.update(models.outbox).values(claimed_until=1.0))
        heir.reports += fleet.outcomes.values()
        heir.steers.act(campaign_id, "start", {}, "op", "key")
        self.settle(campaign_id, "running", "committed")
        return fuse.passed

    def test_at_every_place(self):
        """Rule 2: an order that was stored is sent, one that was not is decided."""
        count = self.play(0, 0)
        self.assertGreater(count, 20)
        places = [*range(1, 10), *range(10, min(count, 40), STRIDE)]
        for left in places:
            with self.subTest(left=left):
                self.play(left, left)
                self.assertEqual({"h001": 1, "h002": 1}, self.remedied())
                self.assertEqual([], folding.unfolded(self.bed))
                self.assertEqual([], self.bed.rows(models.preflight_wait))
