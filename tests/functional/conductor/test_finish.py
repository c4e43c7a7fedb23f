"""From the last step to the commit, back from there, and forward again."""

import collections

from escalator import errors
from escalator.db import models
from escalator.domain import plan
from tests.fixtures import engine as beds
from tests.fixtures import folding
from tests.functional.conductor import test_odd_turns

UNDO = {"disable": "enable", "install": "restore", "enable": "vacate"}
OVER = ("committed", "rolled_back", "failed", "holding")


class Case(test_odd_turns.Case):
    def begin_usual(self, program=None, **changes):
        """Start the usual campaign; what is done can be counted by action."""
        values = {"steps": beds.ROLLING, "commit": "manual", "parallel": 2}
        values["budgets"] = beds.rolling_plan().budgets
        return self.begin(program, **{**values, **changes})

    def campaign(self):
        (row,) = self.engine_bed.rows(models.campaign)
        return row

    def counts(self, intent, action):
        log = self.engine_bed.fleet.log
        return collections.Counter(h for h, i, a in log if (i, a) == (intent, action))

    def assert_sound(self):
        bed = self.engine_bed
        self.assertEqual([], self.broken)
        self.assertEqual([], bed.rows(models.token_hold))
        self.assertEqual([], folding.unfolded(bed))


class TestCommit(Case):
    def test_a_campaign_waits_for_its_commit(self):
        """S-7: everything is done, and nothing is given up yet."""
        bed = self.begin_usual()
        self.assertEqual("completed", bed.run_until(["completed", *OVER]))
        self.steps()
        self.assertEqual("completed", bed.state())
        self.assertIn("waits: an operator", self.campaign()["state_reason"])
        self.assertEqual(set(self.names), self.occupied())
        self.assertEqual(3, len(bed.rows(models.checkpoint)))
        self.assertEqual([], bed.releases)
        self.act("commit")
        self.assertEqual("committed", bed.state())
        self.assertEqual(set(), self.occupied())
        self.assertEqual([], bed.rows(models.checkpoint))
        told = {each.host: each.fences for each in bed.releases}
        acted = [r for r in bed.rows(models.step) if r["kind"] == "action"]
        self.assertEqual(
            {(row["host"], row["id"], 1) for row in acted},
            {(h, *pair) for h, fences in told.items() for pair in fences.items()},
        )
        self.assert_sound()

    def test_completed_can_be_rolled_back(self):
        """S-7: rollback after success, through the same budgets, in reverse."""
        bed = self.begin_usual()
        bed.run_until(["completed"])
        self.act("rollback", reason="the new version leaks")
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assertEqual(dict.fromkeys(self.names, 1), self.counts("revert", "restore"))
        self.assertIn("the new version leaks", self.campaign()["state_reason"])
        self.assert_sound()

    def test_after_the_commit_there_is_no_way_back(self):
        bed = self.begin_usual()
        bed.run_until(["completed"])
        self.act("commit", reason="a week without complaints")
        before = bed.rows(models.journal)
        with self.assertRaisesRegex(errors.Conflict, "a week without complaints"):
            self.act("rollback")
        self.assertEqual(before, bed.rows(models.journal))

    def test_a_commit_that_comes_too_early_is_refused(self):
        bed = self.begin_usual()
        bed.step()
        with self.assertRaisesRegex(errors.IllegalMove, "completed and soaking"):
            self.act("commit")
        self.assertEqual("running", bed.state())

    def test_a_commit_ends_the_soak(self):
        bed = self.begin_usual(soak_s=3600.0)
        bed.run_until(["soaking"])
        self.act("commit")
        self.assertEqual("committed", bed.state())

    def test_it_commits_itself_in_the_end(self):
        """Soaked first, then left to an operator for a while."""
        bed = self.begin_usual(soak_s=0.05, commit_after_s=0.3)
        self.assertEqual("completed", bed.run_until(["completed", *OVER]))
        self.assertIn("after 0.3 s", self.campaign()["state_reason"])
        self.assertGreater(self.campaign()["commit_at"], 0)
        self.assertEqual("committed", bed.run_until(OVER))
        moves = [line[3] for line in bed.journal() if not line[0]]
        self.assertEqual(["soaking", "completed", "committed"], moves)

    def test_a_fault_after_the_soak_is_a_persons_affair(self):
        bed = self.begin_usual()
        bed.run_until(["completed"])
        self.die("h001", "host.down")
        self.steps()
        self.assertEqual("completed", bed.state())
        self.assertEqual("done", self.slots()[("computes", "h001")])

    def test_what_is_rolled_back_is_released_too(self):
        """Its originals are back in their places."""
        bed = self.begin_usual()
        bed.run_until(["completed"])
        self.act("rollback")
        bed.run_until(OVER)
        self.assertEqual(set(self.names), {each.host for each in bed.releases})


class TestForwardAgain(Case):
    """R-2: rollback of a rollback, as often as it is asked for."""

    def test_twice_round(self):
        """Every round does every step of every host once, and undoes it once."""
        bed = self.begin_usual()
        for number in (1, 2, 3):
            self.assertEqual("completed", bed.run_until(["completed", *OVER]))
            everywhere = dict.fromkeys(self.names, number)
            self.assertEqual(everywhere, self.counts("run", "install"))
            self.act("rollback")
            self.assertEqual("rolled_back", bed.run_until(OVER))
            self.assertEqual(everywhere, self.counts("revert", "restore"))
            self.assertIsNotNone(self.campaign()["ended_at"])
            self.assertEqual(set(), self.occupied())
            self.act("start")
            self.assertIsNone(self.campaign()["ended_at"])
        bed.run_until(["completed"])
        self.act("commit")
        self.assert_sound()
        fences = {row["fence"] for row in bed.rows(models.step) if not row["undo_of"]}
        self.assertEqual({4}, fences)
        for name in self.names:
            done = [(i, a) for h, i, a in bed.fleet.log if h == name and a in UNDO]
            self.assertEqual(4, done.count(("run", "install")))

    def test_round_after_a_failure_midway(self):
        """Steps that never ran run now, those that failed are tried anew."""
        program = self.fails_once("h001", "verify", "verification")
        ladder = (plan.Rung("rollback", scope="campaign"),)
        bed = self.begin_usual(program, parallel=1, ladder=ladder)
        records = test_odd_turns.TestRollback.records_of(
            self, bed.fleet, "h000", "install"
        )
        self.assertEqual("rolled_back", bed.run_until(["completed", *OVER]))
        self.act("start")
        self.assertEqual("completed", bed.run_until(["completed", *OVER]))
        self.assertEqual({"done"}, set(self.slots().values()))
        self.assertEqual(2, len(set(records)), "an agent takes it for the first run")
        self.act("commit")
        self.assert_sound()

    def test_a_refused_preflight_leaves_it_rolled_back(self):
        bed = self.begin_usual()
        bed.run_until(["completed"])
        self.act("rollback")
        bed.run_until(OVER)
        self.change_host("h002", state="down")
        self.act("start")
        self.assertEqual("rolled_back", bed.state())
        self.assertIn("preflight refused: h002: down", self.campaign()["state_reason"])
        self.change_host("h002", state="up")
        self.act("start")
        self.assertEqual("completed", bed.run_until(["completed", *OVER]))

    def test_losses_before_the_start_are_accepted(self):
        """E-2: it would be rolled back at once, for ever."""

        def program(order, times):
            if order.host == "h001" and order.action == "install":
                return ("failed", "permanent", "planted")
            return None

        bed = self.begin_usual(
            program,
            ladder=(plan.Rung("quarantine"),),
            max_quarantined=0,
            budgets=test_odd_turns.WIDE,
        )
        self.assertEqual("rolled_back", bed.run_until(["completed", *OVER]))
        self.act("start")
        self.assertEqual("completed", bed.run_until(["completed", *OVER]))
        self.assertEqual("quarantined", self.slots()[("computes", "h001")])
