"""Change windows in the engine: a moved clock, a real database (CM-1, P-4b, E-0)."""

import dataclasses
import unittest

from escalator import errors
from escalator.conductor import explaining
from escalator.db import models, store
from escalator.domain import change_window, plan
from tests.fixtures import engine as beds
from tests.fixtures import folding, watched

FIRST = change_window.ChangeWindow(
    "first", start="2026-12-01T22:00:00+01:00", end="2026-12-02T05:00:00+01:00"
)
SECOND = change_window.ChangeWindow(
    "second", start="2026-12-03T21:00:00Z", end="2026-12-03T22:00:00Z"
)
OPEN = "2026-12-01T21:00:00Z"
SHUT = "2026-12-02T04:00:00Z"
OVER = "2026-12-03T22:00:00Z"


class Case(unittest.TestCase):
    hosts = 6

    def setUp(self):
        self.database = watched.WatchedDatabase()
        self.addCleanup(self.database.dispose)
        self.names = beds.add_hosts(self.database, self.hosts, racks=6)
        self.set_clock("2026-12-01T20:00:00Z")
        self.down = set()

    def set_clock(self, text, later_s=0.0):
        self.database.seconds = change_window.moment(text).timestamp() + later_s

    def begin(self, *windows, program=None, expected_s=0.1, **changes):
        made = beds.rolling_plan(2, budgets=(), **changes)
        (procedure,) = made.procedures
        steps = tuple(
            dataclasses.replace(each, expected_s=expected_s, timeout_s=9 * expected_s)
            for each in procedure.steps
        )
        more = {"steps": steps, "budgets": (), **self.more}
        procedure = dataclasses.replace(procedure, **more)
        made = dataclasses.replace(made, procedures=(procedure,), windows=windows)
        self.bed = beds.EngineBed(self.database, beds.FakeFleet(program))
        self.campaign = beds.start_campaign(self.bed, made)

    more = {}

    def work(self, rounds=200, tick_s=0.0):
        """Work until nothing moves."""
        idle = 0
        for _ in range(rounds):
            idle = 0 if self.bed.step() else idle + 1
            self.database.seconds += tick_s
            if idle > 3:
                return
        raise AssertionError("it never comes to rest")

    def act(self, action, **arguments):
        self.bed.steers.act(self.campaign, action, arguments, "alice", None)

    def begun(self):
        return sorted({row["host"] for row in self.bed.rows(models.slot)})

    def row(self):
        (row,) = self.bed.rows(models.campaign)
        return row

    def explained(self):
        admission = self.bed.execution.admission
        return explaining.Explaining(self.bed.engine, admission).explain(self.campaign)

    def codes(self):
        """Return the codes of the campaign itself, and those of hosts."""
        rows = self.explained()
        return (
            [row["code"] for row in rows if not row["host"]],
            {row["code"] for row in rows if row["host"]},
        )

    def of_host(self, host):
        return next(r["reason"] for r in self.explained() if r["host"] == host)


class TestHours(Case):
    def test_nothing_begins_before_and_what_began_ends_after(self):
        """CM-1: a window that closes holds back no step of what is begun."""
        self.begin(FIRST, SECOND)
        self.work()
        self.assertEqual([], self.begun())
        self.assertEqual("running", self.bed.state())
        self.assertEqual((["W137"], {"W137"}), self.codes())
        reason = "waits: the change window opens at 2026-12-01 21:00:00 UTC"
        self.assertEqual(reason, self.of_host("h000"))
        self.set_clock(OPEN)
        self.bed.step()
        first = self.begun()
        self.assertEqual(2, len(first))
        self.assertEqual(([], {"W102", "S101"}), self.codes())
        self.set_clock(SHUT)
        self.work()
        self.assertEqual(first, self.begun())
        done = {row["host"] for row in self.bed.rows(models.slot)}
        states = {row["state"] for row in self.bed.rows(models.slot)}
        self.assertEqual((set(first), {"done"}), (done, states))
        self.assertEqual((["W137"], {"W137"}), self.codes())
        self.set_clock("2026-12-03T21:00:00Z")
        self.assertEqual("committed", self.bed.run_until(["committed", "holding"]))
        self.assertEqual(self.names, self.begun())
        self.assertEqual([], folding.unfolded(self.bed))

    def test_without_windows_it_is_always_open(self):
        self.begin()
        self.assertEqual("committed", self.bed.run_until(["committed", "holding"]))

    def test_a_compensation_goes_on_after_the_window(self):
        """Undo and the second attempt of what is begun are held by no window."""
        failed = []

        def program(order, times):
            if order.action == "install" and order.host not in failed:
                failed.append(order.host)
                self.set_clock(SHUT)
                return "failed", "permanent", "no"
            return None

        self.set_clock(OPEN)
        self.begin(FIRST, SECOND, program=program)
        self.work()
        slots = self.bed.rows(models.slot)
        self.assertEqual(2, len(slots))
        self.assertEqual(
            {("done", 1)}, {(r["state"], r["compensations"]) for r in slots}
        )

    def test_a_retry_goes_on_after_the_window(self):
        def program(order, times):
            if order.action == "install" and times == 1:
                self.set_clock(SHUT)
                return "failed", "transient", "busy"
            return None

        self.set_clock(OPEN)
        self.begin(FIRST, SECOND, program=program)
        self.work(tick_s=1.0)
        self.assertEqual({"done"}, {r["state"] for r in self.bed.rows(models.slot)})

    def test_a_rollback_goes_on_outside_but_is_not_begun_again_there(self):
        self.set_clock(OPEN)
        self.begin(FIRST, SECOND)
        self.bed.step()
        self.set_clock(SHUT)
        self.work()
        self.act("rollback")
        self.assertEqual("rolled_back", self.bed.run_until(["rolled_back", "failed"]))
        self.act("start")
        self.work()
        self.assertEqual("running", self.bed.state())
        self.assertEqual(
            {"reverted"}, {row["state"] for row in self.bed.rows(models.slot)}
        )
        self.set_clock(SECOND.start)
        self.assertEqual("committed", self.bed.run_until(["committed", "holding"]))


class TestFit(Case):
    def test_a_visit_that_would_not_end_in_time_is_not_begun(self):
        """P-4e: six steps of 100 s, each with its p90: 881 s."""
        self.begin(FIRST, SECOND, expected_s=100.0)
        self.set_clock(SHUT, -880.0)
        self.work()
        self.assertEqual([], self.begun())
        self.assertEqual(([], {"W138"}), self.codes())
        self.assertEqual(
            "waits: it would not end before the change window closes at"
            " 2026-12-02 04:00:00 UTC: it takes up to 15 min",
            self.of_host("h005"),
        )
        self.set_clock(SHUT, -890.0)
        self.work()
        self.assertEqual(self.names, self.begun())

    def test_what_was_learned_counts(self):
        """P-4e: what took 10 s until now does not take 881 s."""
        self.set_clock(OPEN)
        self.begin(FIRST, SECOND, expected_s=100.0)
        self.bed.run_until(["committed", "holding"])
        with self.database.begin() as connection:
            steps = models.step
            at = self.database.seconds
            connection.execute(steps.update().values(started_at=at, ended_at=at + 10.0))
            connection.execute(models.host.update().values(campaign_id=None))
            connection.execute(models.campaign.delete())
            connection.execute(models.slot.delete())
        self.set_clock(SHUT, -880.0)
        self.begin(FIRST, SECOND, expected_s=100.0)
        self.work()
        self.assertEqual(self.names, self.begun())

    def test_a_single_step_begins_nowhere_if_it_fits_nowhere(self):
        self.more = {"method": "single_step"}
        self.begin(FIRST, SECOND, expected_s=100.0)
        self.set_clock(SHUT, -880.0)
        self.work()
        self.assertEqual([], self.begun())
        self.set_clock(SHUT, -890.0)
        self.work()
        self.assertEqual(self.names, self.begun())

    def test_a_rehearsal_is_counted_twice_and_back(self):
        """R-2: 881 s there, 300 s back, 881 s again."""
        self.more = {"rehearse_undo": True}
        self.begin(FIRST, SECOND, expected_s=100.0)
        self.set_clock(SHUT, -2060.0)
        self.work()
        self.assertEqual([], self.begun())
        self.assertIn("it takes up to 34 min", self.of_host("h000"))
        self.set_clock(SHUT, -2070.0)
        self.bed.step()
        self.assertEqual(1, len(self.begun()))


class TestGates(Case):
    def test_a_gate_opens_by_itself_only_in_a_window(self):
        """P-4d: an operator's word opens it at any time; nobody is begun."""
        for stage in (
            plan.Stage("canary", take=2),
            plan.Stage("canary", take=2, gate=plan.Opening.WAIT, wait_s=60.0),
        ):
            with self.subTest(gate=stage.gate):
                self.setUp()
                self.more = {"stages": (stage,)}
                self.set_clock(OPEN)
                self.begin(FIRST, SECOND)
                self.bed.step()
                self.set_clock(SHUT)
                self.work()
                self.work()
                self.set_clock(SHUT, 120.0)
                self.work()
                (gate,) = self.bed.rows(models.gate)
                self.assertIn(gate["state"], ("closed", "soaking"))
                self.assertEqual((["W137"], {"W137"}), self.codes())
                self.set_clock(SECOND.start)
                wanted = ["committed", "holding"]
                self.assertEqual("committed", self.bed.run_until(wanted))

    def test_an_operator_may_open_it_at_any_time(self):
        stage = plan.Stage("canary", take=2, gate=plan.Opening.APPROVE)
        self.more = {"stages": (stage,)}
        self.set_clock(OPEN)
        self.begin(FIRST, SECOND)
        self.work()
        self.set_clock(SHUT)
        self.assertEqual(["W137", "W118"], self.codes()[0])
        self.act("approve")
        self.work()
        (gate,) = self.bed.rows(models.gate)
        self.assertEqual("open", gate["state"])
        self.assertEqual(2, len(self.begun()))


class TestOver(Case):
    def half_done(self):
        self.begin(FIRST)
        self.set_clock(SHUT, -1.0)
        self.bed.step()
        self.assertEqual(2, len(self.begun()))
        self.set_clock(SHUT)

    def test_it_finishes_what_began_and_holds(self):
        """E-0: nothing is lost, and the sentence says what is left."""
        self.half_done()
        self.assertEqual("holding", self.bed.run_until(["holding", "committed"]))
        self.assertEqual({"done"}, {r["state"] for r in self.bed.rows(models.slot)})
        left = sorted(set(self.names) - set(self.begun()))
        reason = (
            "the last change window closed at 2026-12-02 04:00:00 UTC, 4 hosts are"
            f" left: {', '.join(left)}; give it another one with campaign set"
            " --window, then resume it"
        )
        self.assertEqual(reason, self.row()["state_reason"])
        self.assertEqual((["W166"], {"W145"}), self.codes())
        self.assertIn(reason, [each.reason for each in self.bed.news])

    def test_while_it_finishes_it_says_so(self):
        self.half_done()
        self.assertEqual(["W139"], self.codes()[0])
        self.assertLessEqual({"W139"}, self.codes()[1])

    def test_another_window_and_it_goes_on(self):
        """E-0: a revision with its line in the journal, then a resume."""
        self.half_done()
        self.bed.run_until(["holding"])
        self.act("resume")
        self.assertEqual("holding", self.bed.run_until(["holding", "committed"]))
        self.act("change", windows=[{"start": SECOND.start, "end": SECOND.end}])
        (line,) = [r for r in self.bed.rows(models.plan_rev) if r["rev"] == 2]
        told = (
            "windows: first: 2026-12-01T22:00:00+01:00 to 2026-12-02T05:00:00+01:00"
            " -> window-1: 2026-12-03T21:00:00Z to 2026-12-03T22:00:00Z"
        )
        self.assertEqual(([told], "alice"), (line["diff"]["changed"], line["author"]))
        self.assertIn(f"changed: {told}", [each[4] for each in self.bed.journal()])
        self.act("resume")
        self.work()
        self.assertEqual((2, "running"), (len(self.begun()), self.bed.state()))
        self.set_clock(SECOND.start)
        self.assertEqual("committed", self.bed.run_until(["committed", "holding"]))

    def test_none_left_none_missed(self):
        """A campaign of which all hosts are begun ends as ever."""
        self.set_clock(OPEN)
        self.begin(FIRST)
        for _ in range(200):
            self.bed.step()
            if len(self.begun()) == self.hosts:
                break
        self.set_clock(SHUT)
        self.assertEqual("committed", self.bed.run_until(["committed", "holding"]))

    def test_a_host_that_fails_after_the_last_window_is_undone(self):
        def program(order, times):
            if order.action == "install":
                self.set_clock(SHUT)
                return "failed", "permanent", "no"
            return None

        self.set_clock(OPEN)
        self.begin(FIRST, program=program, ladder=(plan.Rung("rollback"),))
        self.assertEqual("rolled_back", self.bed.run_until(["rolled_back", "holding"]))

    def test_a_host_midway_where_a_procedure_holds_is_not_waited_for(self):
        """E-4: it would never end, and the campaign run on for ever."""

        def program(order, times):
            told = {"h000": ("failed", "permanent", "no"), "h001": ("running", "", "")}
            return told.get(order.host)

        steps = (beds.step("one", "one"), beds.step("two", "two"))
        ladder = (plan.Rung("hold", scope="procedure"),)
        usual = beds.rolling_plan(1, steps=steps, ladder=ladder).procedures[0]
        racks = {"south": ("r0", "r1"), "north": ("r2", "r3", "r4", "r5")}
        made = beds.rolling_plan(
            budgets=(),
            windows=(FIRST,),
            selectors=tuple(
                plan.Selector(name, (plan.Condition("rack", values),), ())
                for name, values in racks.items()
            ),
            procedures=tuple(
                dataclasses.replace(
                    usual, id=name, selector=name, budgets=(), parallel=most
                )
                for name, most in (("south", 2), ("north", 1))
            ),
        )
        self.set_clock(OPEN)
        self.bed = beds.EngineBed(self.database, beds.FakeFleet(program))
        self.campaign = beds.start_campaign(self.bed, made)
        while not self.row()["closed_to"]:
            self.bed.step()
        (known,) = [
            r for r in self.bed.fleet.outcomes.values() if r.outcome == "running"
        ]
        self.bed.reports.append(dataclasses.replace(known, outcome="done"))
        self.set_clock(SHUT)
        self.assertEqual("holding", self.bed.run_until(["committed", "holding"], 5.0))
        self.assertIn("the last change window closed", self.row()["state_reason"])
        slots = {row["host"]: row["state"] for row in self.bed.rows(models.slot)}
        self.assertEqual(("failed", "active"), (slots["h000"], slots["h001"]))

    def test_always_open_again(self):
        self.half_done()
        self.bed.run_until(["holding"])
        self.act("change", windows=[])
        self.act("resume")
        self.assertEqual("committed", self.bed.run_until(["committed", "holding"]))


class TestStart(Case):
    def roll_back(self):
        self.set_clock(OPEN)
        self.begin(FIRST, SECOND)
        self.bed.step()
        self.act("rollback")
        self.bed.run_until(["rolled_back"])

    def make_new(self, *windows):
        self.begin(*windows)
        with self.database.begin() as connection:
            values = {"state": "validated", "started_at": None}
            connection.execute(models.campaign.update().values(**values))

    def test_before_the_window(self):
        """It runs, and says when the window opens."""
        self.make_new(FIRST)
        self.act("start")
        self.assertEqual("running", self.bed.state())
        self.assertEqual(["W137"], self.codes()[0])

    def test_after_the_last_window(self):
        self.make_new(FIRST)
        self.set_clock(SHUT)
        with self.assertRaisesRegex(
            errors.Conflict, "closed at 2026-12-02 04:00:00 UTC; give it another"
        ):
            self.act("start")
        self.assertEqual("validated", self.bed.state())
        again = {"id": "again", "start": SECOND.start, "end": SECOND.end}
        self.act("change", windows=[again])
        self.act("start")
        self.assertEqual("running", self.bed.state())

    def test_one_that_was_rolled_back(self):
        self.roll_back()
        self.set_clock(OVER)
        with self.assertRaisesRegex(errors.Conflict, "submit a new campaign"):
            self.act("start")
        self.assertEqual("rolled_back", self.bed.state())


class TestChange(Case):
    def refused(self, *windows):
        with self.assertRaises(errors.InvalidInput) as caught:
            self.act("change", windows=list(windows))
        return [(each["rule"], each["pointer"]) for each in caught.exception.findings]

    def test_windows_are_judged_as_those_of_a_file(self):
        self.begin(FIRST, expected_s=100.0)
        place = "/action/arguments/windows"
        short = {"start": OPEN, "end": "2026-12-01T21:10:00Z"}
        backwards = {"start": SHUT, "end": OPEN}
        good = {"start": SECOND.start, "end": SECOND.end}
        gone = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-02T00:00:00Z"}
        weekly = {"days": ["mon"], "from": "22:00", "to": "04:00", "tz": "Mars/Base"}
        for windows, expected in (
            ([backwards], ("C742", f"{place}/0/end")),
            ([good, good], ("C744", f"{place}/1")),
            ([gone], ("C745", place)),
            ([weekly], ("C743", f"{place}/0/tz")),
            ([{"start": OPEN}], ("C202", f"{place}/0")),
            ([{"id": "x", **good}, {"id": "x", **gone}], ("C403", f"{place}/1/id")),
            ([short], ("C746", "/schedule/windows")),
        ):
            self.assertEqual([expected], self.refused(*windows))
        self.assertEqual(1, self.row()["plan_rev"])


class TestShown(Case):
    def test_windows_and_the_next_one(self):
        self.begin(FIRST, SECOND)
        found = self.shown()
        self.assertEqual(
            [
                "first: 2026-12-01T22:00:00+01:00 to 2026-12-02T05:00:00+01:00",
                "second: 2026-12-03T21:00:00Z to 2026-12-03T22:00:00Z",
            ],
            found["windows"],
        )
        first = {
            "start": "2026-12-01T21:00:00+00:00",
            "end": "2026-12-02T04:00:00+00:00",
        }
        self.assertEqual({**first, "is_open": False}, found["window"])
        self.set_clock(OPEN)
        self.assertEqual({**first, "is_open": True}, self.shown()["window"])
        self.set_clock(OVER)
        self.assertIsNone(self.shown()["window"])

    def test_weekly_ones_come_back_from_the_database(self):
        weekly = change_window.ChangeWindow(
            "night", days=("tue",), opens="22:00", closes="05:00", zone="Europe/Madrid"
        )
        self.begin(weekly)
        self.assertEqual("2026-12-01T21:00:00+00:00", self.shown()["window"]["start"])
        self.work()
        self.assertEqual([], self.begun())
        self.set_clock(OPEN)
        self.assertEqual("committed", self.bed.run_until(["committed"]))

    def shown(self):
        (found,) = store.Store(self.database).read("campaign", id=self.campaign)
        return found


class TestGuard(Case):
    def test_an_admission_that_forgets_the_window_is_stopped(self):
        """V-2: the guard reads the windows for itself."""
        self.begin(FIRST, SECOND)
        made = self.bed.execution.admission.read

        def forgetful(connection, campaign, now):
            found = made(connection, campaign, now)
            return dataclasses.replace(found, hours=change_window.Hours())

        self.bed.execution.admission.read = forgetful
        self.bed.step()
        self.assertEqual("holding", self.bed.state())
        self.assertIn("guard.window: h000 is begun outside", self.row()["state_reason"])
        self.assertEqual([], self.begun())
