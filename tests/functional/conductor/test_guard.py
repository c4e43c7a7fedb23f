"""Bugs planted in the engine; the guard stops each before anything is sent (V-2)."""

import dataclasses
import os
import tempfile
import unittest
from unittest import mock

import sqlalchemy as sa

from escalator.conductor import admission, situation, unwinding
from escalator.db import models
from escalator.domain import budget, events, plan
from tests.fixtures import engine as beds

DRAINED = tuple(
    dataclasses.replace(each, action="vim.drain") if each.id == "drain" else each
    for each in beds.ROLLING
)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        url = "sqlite:///" + os.path.join(folder.name, "e.sqlite")
        self.database = beds.database(url)
        self.addCleanup(self.database.dispose)
        self.bed = beds.EngineBed(self.database, beds.FakeFleet())
        beds.add_hosts(self.database, 6, racks=2)

    def plant(self, place, name, bug):
        patched = mock.patch.object(place, name, bug)
        patched.start()
        self.addCleanup(mock.patch.stopall)

    def host(self, name, **values):
        with self.database.begin() as connection:
            change = sa.update(models.host).where(models.host.c.name == name)
            connection.execute(change.values(**values))

    def campaign(self, campaign_id):
        rows = {row["id"]: row for row in self.bed.rows(models.campaign)}
        return rows[campaign_id]

    def critical(self):
        return [
            each.reason
            for each in self.bed.news
            if isinstance(each, events.CampaignChanged)
            and each.severity == events.Severity.CRITICAL
        ]


class TestBudgets(Case):
    def start(self, **limits):
        values = {"rack": 6, "group": 6, "moves": 6, **limits}
        budgets = (
            plan.Budget("rack", "fact", "rack", max_down=values["rack"]),
            plan.Budget("group", "server_group", max_down=values["group"]),
            plan.Budget("owners", "owner"),
            plan.Budget(
                "moves", "all", max_down=values["moves"], kind=plan.Kind.MIGRATIONS
            ),
        )
        made = beds.rolling_plan(parallel=4, budgets=budgets, steps=DRAINED)
        one = dataclasses.replace(
            made.procedures[0], budgets=tuple(each.id for each in budgets)
        )
        return beds.start_campaign(
            self.bed, dataclasses.replace(made, procedures=(one,))
        )

    def test_admission_that_skips_a_budget(self):
        """Nothing is begun, sent or taken; the owner is told at once."""
        self.plant(budget.Ledger, "refusals", lambda *_: ())
        for limits, told in (
            ({"rack": 1}, "guard.budget: budget rack r0: 2 of 1 out"),
            ({"group": 1}, "guard.budget: budget group g0: 2 of 1 out"),
            ({"moves": 3}, "guard.budget: budget moves all: 4 of 3 out"),
            ({"shop": 3}, "guard.budget: budget owners shop: 4 of 3 out"),
        ):
            with self.subTest(told):
                self.declare("shop", limits.get("shop", 6))
                campaign_id = self.start(**limits)
                self.bed.step()
                row = self.campaign(campaign_id)
                self.assertEqual("holding", row["state"])
                self.assertIn(told, row["state_reason"])
                self.assertIn(told, self.critical()[-1])
                self.bed.step()
        self.assertEqual([], self.bed.fleet.log)
        for table in (models.slot, models.step, models.token_hold):
            self.assertEqual([], self.bed.rows(table), table.name)
        taken = [row["campaign_id"] for row in self.bed.rows(models.host)]
        self.assertEqual({None}, set(taken))

    def test_tokens_that_are_not_taken(self):
        """Slots are counted: what is out shows without a token, too."""
        self.plant(admission, "token_rows", lambda *_: [])
        campaign_id = self.start(rack=1)
        self.bed.step()
        self.assertEqual([], self.bed.rows(models.token_hold))
        self.assertEqual("running", self.campaign(campaign_id)["state"])
        before = {row["host"] for row in self.bed.rows(models.slot)}
        self.bed.step()
        row = self.campaign(campaign_id)
        self.assertEqual("holding", row["state"])
        self.assertIn("guard.budget: budget rack", row["state_reason"])
        self.assertEqual(before, {row["host"] for row in self.bed.rows(models.slot)})

    def test_who_is_out_already_may_go_on(self):
        """A fault exceeds the limit meanwhile; what was undone runs again (V-2)."""
        campaign_id = self.start(rack=1)
        self.bed.step()
        slots = {row["host"]: row["id"] for row in self.bed.rows(models.slot)}
        own, slot_id = models.step.c, slots["h000"]
        begun = (own.slot_id == slot_id) & (own.state != "blocked")
        with self.database.begin() as connection:
            connection.execute(
                sa.update(models.step).where(begun).values(state="reverted")
            )
            mine = sa.update(models.slot).where(models.slot.c.id == slot_id)
            connection.execute(mine.values(state="undone"))
        self.host("h002", state="down")
        self.bed.execution.look_at(campaign_id)
        states = {row["id"]: row["state"] for row in self.bed.rows(models.slot)}
        self.assertEqual("active", states[slot_id])
        self.assertEqual("running", self.campaign(campaign_id)["state"])
        self.assertEqual([], self.critical())

    def test_a_sound_engine_is_not_disturbed(self):
        self.declare("shop", 3)
        self.start(rack=2, group=1, moves=1)
        self.host("h005", state="down")
        self.assertEqual("committed", self.run_with_repair())
        self.assertEqual([], self.critical())

    def declare(self, owner, most):
        with self.database.begin() as connection:
            connection.execute(sa.update(models.host).values(declared=[[owner, most]]))

    def run_with_repair(self):
        for _ in range(40):
            self.bed.step()
        self.host("h005", state="up")
        return self.bed.run_until(["committed", "holding"])


class TestHosts(Case):
    def test_a_host_that_may_get_nothing(self):
        """An order to it is withdrawn, whoever gives it; the others go on."""
        self.plant(situation, "_closed", lambda *_: "")
        unlimited = beds.rolling_plan(
            selectors=(
                plan.Selector("computes", (plan.Condition("role", ("compute",)),)),
            )
        )
        self.host("h002", is_quarantined=True)
        campaign_id = beds.start_campaign(self.bed, unlimited)
        self.bed.step()
        (step,) = [
            row
            for row in self.bed.rows(models.step)
            if row["host"] == "h002" and row["seq"] == 0
        ]
        self.assertEqual("held", step["state"])
        self.assertIn("waits: guard.quarantined: h002", step["reason"])
        self.bed.step()
        row = self.campaign(campaign_id)
        self.assertEqual("holding", row["state"])
        self.assertIn("guard.quarantined: h002", row["state_reason"])
        self.assertEqual(row["state_reason"], self.critical()[-1])
        self.assertNotIn("h002", {host for host, _, _ in self.bed.fleet.log})
        for _ in range(20):
            self.bed.step()
        orders = self.bed.fleet.runs
        self.assertNotIn("h002", {host for host, _ in orders})

    def test_a_report_orders_nothing_on_a_host_that_was_quarantined(self):
        """Behind the engine's back, in the midst of its steps."""
        campaign_id = beds.start_campaign(self.bed, beds.rolling_plan(parallel=1))
        self.bed.step()
        ((host, _),) = self.bed.fleet.runs
        self.host(host, is_quarantined=True)
        self.bed.step()
        self.bed.step()
        row = self.campaign(campaign_id)
        self.assertEqual("holding", row["state"])
        self.assertIn(f"guard.quarantined: {host}", row["state_reason"])
        self.assertEqual(1, sum(self.bed.fleet.runs.values()))
        self.assertEqual([], self.bed.rows(models.outbox))
        self.host(host, is_quarantined=False)
        self.bed.steers.act(campaign_id, "resume", {}, "op", None)
        self.assertEqual("committed", self.bed.run_until(["committed", "holding"]))

    def test_two_campaigns_on_a_host(self):
        first = beds.start_campaign(self.bed, beds.rolling_plan(parallel=1))
        self.bed.execution.look_at(first)
        self.plant(situation, "_closed", lambda *_: "")
        self.plant(budget.Ledger, "refusals", lambda *_: ())
        second = beds.start_campaign(self.bed, beds.rolling_plan(parallel=1))
        before = self.bed.rows(models.slot)
        self.bed.execution.look_at(second)
        row = self.campaign(second)
        self.assertEqual("holding", row["state"])
        self.assertIn(f"guard.campaigns: campaign {first}", row["state_reason"])
        self.assertEqual(before, self.bed.rows(models.slot))


class TestRollback(Case):
    def test_a_lower_level_that_is_undone_too_early(self):
        made = beds.rolling_plan()
        low = made.procedures[0]
        high = plan.Procedure(
            "second", 20, (), "computes", "rolling", 6, (), low.steps, low.ladder
        )
        made = beds.rolling_plan(procedures=(low, high), soak_s=1e6)
        campaign_id = beds.start_campaign(self.bed, made)
        self.assertEqual("soaking", self.bed.run_until(["soaking"]))
        before = len(self.bed.fleet.log)
        self.bed.steers.act(campaign_id, "rollback", {}, "op", None)
        with mock.patch.object(unwinding, "_not_yet", lambda *_: ""):
            self.bed.step()
        row = self.campaign(campaign_id)
        self.assertEqual("holding", row["state"])
        self.assertIn(
            "guard.level: the undo of computes begins before that of second",
            row["state_reason"],
        )
        self.assertEqual(before, len(self.bed.fleet.log))
        self.bed.steers.act(campaign_id, "rollback", {}, "op", None)
        self.assertEqual("rolled_back", self.bed.run_until(["rolled_back", "holding"]))
