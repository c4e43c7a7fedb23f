"""The undo is rehearsed on the first host, and nobody else is begun before."""

import dataclasses

from escalator.db import models
from escalator.domain import events, plan
from tests.fixtures import engine as beds
from tests.functional.conductor import test_finish, test_odd_turns

ROUND = ["disable", "drain", "install", "verify", "enable"]
BACK = ["vacate", "restore", "enable"]
OVER = test_finish.OVER


class Case(test_finish.Case):
    def begin_rehearsal(self, program=None, **changes):
        usual = beds.rolling_plan(parallel=3).procedures[0]
        ladder = changes.pop("ladder", usual.ladder)
        procedure = dataclasses.replace(usual, rehearse_undo=True, ladder=ladder)
        changes = {"procedures": (procedure,), "commit": "auto", **changes}
        return self.begin_usual(program, **changes)

    def deeds(self, host):
        log = self.engine_bed.fleet.log
        return [a for h, _, a in log if h == host and a != "manifest"]

    def leave_something(self, host, *rounds):
        """Let the checkpoint of these rounds tell of something left behind."""
        run, taken = self.engine_bed.fleet.run, []

        def changed(order):
            report = run(order)
            if report and (order.host, order.kind) == (host, "checkpoint"):
                if order.fence not in taken:
                    taken.append(order.fence)
                left = {"x": "left"} if len(taken) in rounds else {}
                report = dataclasses.replace(report, result={"packages": left})
            return report

        self.engine_bed.fleet.run = changed

    def slot(self, host):
        rows = self.engine_bed.rows(models.slot)
        return next(row for row in rows if row["host"] == host)


class TestRehearsal(Case):
    def test_there_and_back_and_there_again(self):
        """R-2: one host alone, then the others at once."""
        bed = self.begin_rehearsal()
        first = None
        while first is None or self.slot(first)["rehearsal"] != "passed":
            bed.step()
            rows = bed.rows(models.slot)
            self.assertLessEqual(len(rows), 1 if first is None else 3)
            if len(rows) > 1:
                self.assertEqual("passed", self.slot(first)["rehearsal"])
            elif rows:
                first = rows[0]["host"]
                waits = set(self.told().values())
                if rows[0]["rehearsal"] != "passed":
                    self.assertIn(
                        "waits: the undo is rehearsed on one target", str(waits)
                    )
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual([*ROUND, *BACK, *ROUND], self.deeds(first))
        for name in set(self.names) - {first}:
            self.assertEqual(ROUND, self.deeds(name))
        self.assertEqual(
            (0, 1), (self.slot(first)["compensations"], self.slot(first)["reruns"])
        )
        self.assert_sound()

    def test_what_the_undo_leaves_holds_the_campaign(self):
        """The reason says where; mended and resumed, it is looked at again."""
        bed = self.begin_rehearsal()
        self.leave_something("h000", 2)
        self.assertEqual("holding", bed.run_until(OVER))
        reason = self.campaign()["state_reason"]
        self.assertIn("h000: rehearsal of the undo failed", reason)
        self.assertIn("packages.x: 'left' was not there", reason)
        self.assertEqual({("computes", "h000")}, set(self.slots()))
        self.assertEqual([*ROUND, *BACK], self.deeds("h000"))
        self.act("resume")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual([*ROUND, *BACK, *ROUND], self.deeds("h000"))
        self.assert_sound()

    def test_the_checkpoint_to_go_back_to_is_the_first(self):
        """Resumed with the fault still there, it is held again."""
        bed = self.begin_rehearsal()
        self.leave_something("h000", 2, 3)
        for _ in range(2):
            self.assertEqual("holding", bed.run_until(OVER))
            (kept,) = bed.rows(models.checkpoint)
            self.assertEqual({"packages": {}}, kept["content"])
            self.act("resume")
        self.assertEqual("committed", bed.run_until(OVER))

    def test_an_undo_that_fails_holds_the_campaign(self):
        program = self.fails_once("h000", "restore")
        bed = self.begin_rehearsal(program)
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertIn("h000: undo of install failed", self.campaign()["state_reason"])
        self.assertEqual({("computes", "h000")}, set(self.slots()))
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assert_sound()

    def test_a_failure_on_the_way_there_goes_by_the_ladder(self):
        """Compensated, and then rehearsed all the same."""
        bed = self.begin_rehearsal(self.fails_once("h000", "install"))
        self.assertEqual("committed", bed.run_until(OVER))
        slot = self.slot("h000")
        self.assertEqual(
            (1, 2, "passed"), (slot["compensations"], slot["reruns"], slot["rehearsal"])
        )
        self.assert_sound()

    def test_one_that_is_given_up_is_followed_by_another(self):
        bed = self.begin_rehearsal(
            self.fails_once("h000", "install"),
            ladder=(plan.Rung("quarantine"),),
            budgets=test_odd_turns.WIDE,
        )
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual([*ROUND, *BACK, *ROUND], self.deeds("h001"))
        self.assertEqual(ROUND, self.deeds("h002"))

    def test_nothing_is_ordered_while_it_is_closed(self):
        """Paused between there and back: it says so, and goes on later."""
        bed = self.begin_rehearsal()
        while "verify" not in self.deeds("h000"):
            bed.step()
        self.act("pause", target="h000")
        self.steps()
        before = self.deeds("h000")
        self.assertNotIn("restore", before)
        self.assertIn("closed by an operator", self.told()["h000"])
        self.act("resume", target="h000")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual([*ROUND, *BACK, *ROUND], self.deeds("h000"))

    def test_a_rollback_in_the_midst_of_it(self):
        """Started again, it is rehearsed again."""
        bed = self.begin_rehearsal()
        while "restore" not in self.deeds("h000"):
            bed.step()
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assertEqual([*ROUND, *BACK], self.deeds("h000"))
        self.act("start")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual([*ROUND, *BACK, *ROUND, *BACK, *ROUND], self.deeds("h000"))
        self.assert_sound()

    def test_what_was_rehearsed_is_not_rehearsed_again(self):
        bed = self.begin_rehearsal(commit="manual")
        bed.run_until(["completed"])
        self.act("rollback")
        bed.run_until(OVER)
        self.act("start")
        self.assertEqual("completed", bed.run_until(["completed", *OVER]))
        self.assertEqual(4, self.counts("run", "install")["h000"] + 1)
        self.assert_sound()

    def test_a_late_report_changes_nothing(self):
        """Rule 4, of the checkpoint that is compared too."""
        bed = self.begin_rehearsal()
        old = []
        apply = bed.results.apply

        def watch(reports):
            old.extend(reports)
            apply(reports)

        bed.results.apply = watch
        while self.campaign()["state"] == "running" and not (
            bed.rows(models.slot) and self.slot("h000")["rehearsal"] == "again"
        ):
            bed.step()
        first = next(r for r in old if r.outcome == events.Outcome.DONE)
        changed = dataclasses.replace(first, result={"packages": {"x": "odd"}})
        apply([changed])
        self.assertEqual("committed", bed.run_until(OVER))


class TestClosed(Case):
    def test_in_a_closed_procedure_none_is_begun(self):
        """E-0: a closed host or rack was left alone, a closed procedure was not."""
        bed = self.begin_rehearsal()
        while not self.engine_bed.fleet.log or "enable" not in self.deeds("h000"):
            bed.step()
        self.act("pause", procedure="computes")
        self.steps()
        self.assertEqual(ROUND, self.deeds("h000"))
        self.assertEqual(
            "waits: admission is closed by an operator", self.told()["h000"]
        )
        self.act("resume", procedure="computes")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual([*ROUND, *BACK, *ROUND], self.deeds("h000"))
