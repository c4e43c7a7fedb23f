"""The last rungs of a ladder: a page, and a quarantine with evacuation."""

from escalator.db import models
from escalator.domain import events, plan
from tests.functional.conductor import test_finish, test_odd_turns

OVER = test_finish.OVER


class Case(test_finish.Case):
    def begin_failing(self, rung, host="h001", **changes):
        """Start a campaign of which one host fails to install for good."""
        self.also = {}

        def program(order, times):
            if (order.host, order.action) == (host, "install"):
                return ("failed", "permanent", "planted")
            return self.also.get((order.host, order.action))

        changes = {"budgets": test_odd_turns.WIDE, "commit": "auto", **changes}
        return self.begin_usual(program, ladder=(rung,), **changes)

    def assert_sound(self):
        self.broken.clear()  # The budgets of these campaigns are wide.
        super().assert_sound()

    def host(self, name):
        return next(r for r in self.engine_bed.rows(models.host) if r["name"] == name)

    def evacuations(self):
        rows = self.engine_bed.rows(models.step)
        return [(r["host"], r["state"]) for r in rows if r["intent"] == "evacuate"]


class TestPage(Case):
    def test_the_campaign_holds_and_its_owner_is_paged(self):
        bed = self.begin_failing(plan.Rung("page"))
        self.assertEqual("holding", bed.run_until(OVER))
        told = [each for each in bed.news if each.to_state == "holding"]
        self.assertEqual(["critical"], [each.severity for each in told])
        self.assertIn("h001: install failed (permanent): planted", told[0].reason)

    def test_a_hold_pages_nobody(self):
        bed = self.begin_failing(plan.Rung("hold"))
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual({events.INFO}, {each.severity for each in bed.news})

    def test_who_holds_already_is_paged_all_the_same(self):
        """Two hosts fail at once, one after the other."""
        bed = self.begin_failing(plan.Rung("page"))
        self.also["h000", "install"] = ("failed", "permanent", "too")
        self.assertEqual("holding", bed.run_until(OVER))
        self.steps()
        paged = [each.reason for each in bed.news if each.severity == "critical"]
        self.assertEqual(["h000", "h001"], sorted(each[:4] for each in paged))
        self.assertEqual([paged[-1]], [self.campaign()["state_reason"]])


class TestEvacuation(Case):
    rung = plan.Rung("quarantine", evacuate=True)

    def test_its_instances_are_moved_away_first(self):
        """P-4c: no order goes to a host that is given up, so before that."""
        bed = self.begin_failing(self.rung)
        while not self.evacuations():
            bed.step()
        self.assertFalse(self.host("h001")["is_quarantined"])
        self.assertEqual("undoing", self.slots()[("computes", "h001")])
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual([("h001", "done")], self.evacuations())
        self.assertEqual(("h001", "evacuate", "vim.vacate"), self.of(bed)[0])
        self.assertEqual("quarantined", self.slots()[("computes", "h001")])
        self.assertEqual(
            "install failed; its instances were moved away",
            self.host("h001")["quarantine_reason"],
        )
        self.assert_sound()

    def of(self, bed):
        return [each for each in bed.fleet.log if each[1] == "evacuate"]

    def test_one_that_cannot_be_emptied_is_given_up_all_the_same(self):
        bed = self.begin_failing(self.rung)
        self.also["h001", "vim.vacate"] = ("failed", "permanent", "no room")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual([("h001", "failed")], self.evacuations())
        self.assertEqual(
            "install failed; its instances could not be moved: no room",
            self.host("h001")["quarantine_reason"],
        )
        self.assert_sound()

    def test_a_rollback_waits_for_it(self):
        bed = self.begin_failing(self.rung, parallel=1)
        self.also["h001", "vim.vacate"] = ("silent", "", "")
        while not self.evacuations():
            bed.step()
        self.act("rollback")
        self.steps()
        self.assertEqual("rolling_back", bed.state())
        self.also.clear()
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assertTrue(self.host("h001")["is_quarantined"])
        self.assert_sound()

    def test_a_host_that_dies_meanwhile(self):
        bed = self.begin_failing(self.rung, on_fault=plan.FaultPolicy("hold"))
        self.also["h001", "vim.vacate"] = ("silent", "", "")
        while not self.evacuations():
            bed.step()
        self.die("h001", "host.down")
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual([("h001", "quarantined")], self.evacuations())

    def test_without_asking_nothing_is_moved(self):
        bed = self.begin_failing(plan.Rung("quarantine"))
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual([], self.evacuations())
