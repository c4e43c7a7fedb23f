"""Preflights that ask the VIM whether hosts can be drained (V-3, O-0c).

The conductor's part on a real SQLite database; the VIM's agent is the real worker
with the real actions, on the simulated VIM.
"""

import dataclasses
import os

import sqlalchemy as sa

from escalator.agent import deeds
from escalator.db import models
from escalator.domain import commands
from escalator.drivers.action import vim as actions
from escalator.drivers.vim import simulated
from tests.fixtures import engine as beds
from tests.functional.conductor import test_planning, test_preflight

ACTIONS = {
    "vim.disable_scheduling": actions.DisableScheduling,
    "vim.drain": actions.Drain,
    "vim.enable_scheduling": actions.EnableScheduling,
}
DRAINING = """
      - id: cordon
        action: vim.disable_scheduling
        expected: 1s
        timeout: 5s
        undo: vim.enable_scheduling
        idempotent: natural
      - id: drain
        action: vim.drain
        expected: 1s
        timeout: 5s
        undo: none_needed
        idempotent: natural
      - id: install
"""
UNCORDON = """
      - id: uncordon
        action: vim.enable_scheduling
        expected: 1s
        timeout: 5s
        undo: vim.vacate
        idempotent: natural
"""
MIGRATION = "checks: {migration: %s}"
HOSTS = ("h000", "h001", "h002", "h003")


class Fleet(beds.FakeFleet):
    """Its VIM agent acts on a VIM; the others answer that nothing is in the way.

    :ivar is_vim_silent: the VIM's agent takes orders and never answers.
    :ivar asked: (executor, host) of each question.
    """

    def __init__(self, vim):
        super().__init__()
        self.is_vim_silent = False
        self.asked = []
        self._worker = deeds.Deeds(
            ACTIONS, {}, {"vim": vim}, lambda: {"disk_free_gib": 0}
        )

    def run(self, order):
        key = (order.step_id, order.fence)
        is_known = key in self.outcomes
        if order.executor == "vim" and self.is_vim_silent:
            return None
        report = super().run(order)
        if is_known or report is None or report.outcome != "done":
            return report
        if order.kind == commands.ASK:
            self.asked.append((order.executor, order.host))
        if order.executor == "vim":
            self.outcomes[key] = dataclasses.replace(report, **self._act(order))
        elif order.kind == commands.ASK:
            result = {"facts": {"disk_free_gib": 50}, "obstacles": []}
            self.outcomes[key] = dataclasses.replace(report, result=result)
        return self.outcomes[key]

    def _act(self, order):
        try:
            return {"result": self._worker.carry_out(order)}
        except Exception as error:
            kind, detail = deeds.classify(error)
            return {"outcome": "failed", "failure_class": kind, "detail": detail}


class Case(test_preflight.Case):
    def setUp(self):
        super().setUp()
        cloud = {
            "hosts": [{"name": name, "capacity": 2} for name in HOSTS],
            "instances": [
                {"id": f"{name}-{n}", "project": "red", "host": name}
                for name in HOSTS
                for n in range(2)
            ],
        }
        self.vim = simulated.Simulated(os.path.join(self.folder, "vim.sqlite"), cloud)
        self.fleet = self.bed.fleet = Fleet(self.vim)

    def campaign(self, wanted, is_staged=False):
        document = test_planning.DOCUMENT.replace(
            "\n      - id: install\n", DRAINING, 1
        )
        document = document.rstrip() + UNCORDON
        heading = test_preflight.WITH.format(wanted=wanted)
        document = document.replace("procedures:\n", heading, 1)
        return self.create(
            document.replace(
                "parallel: 2\n",
                test_preflight.STAGES if is_staged else "parallel: 1\n",
                1,
            )
        )

    def make_room(self, capacity=9, host="%"):
        with self.vim._storage.change() as db:
            db.execute(
                "UPDATE host SET capacity = ? WHERE name LIKE ?", (capacity, host)
            )

    def places(self):
        return {each.id: each.host for each in self.vim.list_instances()}

    def findings(self, campaign_id):
        found = self.report(campaign_id)["findings"]
        return {(each["code"], each["host"]): each for each in found}

    def waits(self, campaign_id):
        return [(w["host"], w["code"]) for w in self.explains.explain(campaign_id)]


class TestMigration(Case):
    def test_a_start_is_refused_until_there_is_room(self):
        """V-3: block with a code of its own; recovered, it goes on without more."""
        campaign_id = self.campaign(MIGRATION % "block")
        before = self.places()
        self.act(campaign_id, "start")
        self.assertEqual("preflight", self.state(campaign_id))
        self.settle(campaign_id, "validated")
        found = self.findings(campaign_id)
        self.assertEqual({("migration.obstructed", name) for name in HOSTS}, set(found))
        told = found["migration.obstructed", "h002"]
        self.assertIn("vim.drain: instance h002-0 fits on no other", told["text"])
        self.assertTrue(told["remedy"])
        self.assertIn("h000-0", self.row(campaign_id)["state_reason"])
        self.assertEqual(before, self.places())
        self.assertEqual([], self.bed.rows(models.slot))
        self.make_room()
        self.act(campaign_id, "start")
        self.settle(campaign_id, "committed")
        self.assertEqual({}, self.findings(campaign_id))
        self.assertNotEqual(before, self.places())

    def test_a_host_that_cannot_be_drained_is_left_out(self):
        """Its member of a group has nowhere to go; those of the others have."""
        self.make_room()
        with self.vim._storage.change() as db:
            db.execute("UPDATE instance SET server_group = 'g' WHERE id LIKE '%-0'")
            db.execute("DELETE FROM instance WHERE id = 'h003-0'")
            db.execute("UPDATE host SET is_enabled = 0 WHERE name = 'h003'")
            db.execute("DELETE FROM instance WHERE id IN ('h000-0', 'h001-0')")
            db.execute("UPDATE host SET capacity = 2 WHERE name != 'h002'")
            db.execute("UPDATE instance SET host = 'h001' WHERE id = 'h003-1'")
        campaign_id = self.campaign(MIGRATION % "exclude_and_report")
        self.act(campaign_id, "preflight")
        self.settle(campaign_id, "validated")
        for _ in range(9):
            self.bed.step()
        self.assertEqual(
            {("migration.obstructed", "h002")}, set(self.findings(campaign_id))
        )
        self.assertEqual("passed", self.report(campaign_id)["verdict"])

    def test_a_file_that_does_not_name_the_check_asks_nobody(self):
        campaign_id = self.campaign("on_finding: block")
        self.act(campaign_id, "start")
        self.assertEqual("running", self.state(campaign_id))
        self.assertEqual([], self.fleet.asked)

    def test_agent_and_vim_are_asked_side_by_side(self):
        """What the VIM's agent knows of its own host is no fact of the target."""
        self.make_room()
        for name in HOSTS:
            self.host(name, facts={"disk_free_gib": 50})
        wanted = "checks: {migration: block, artifacts: block}, min_disk_gib: 5"
        campaign_id = self.campaign(wanted)
        self.act(campaign_id, "start")
        orders = self.bed.rows(models.preflight_order)
        self.assertEqual({"dispatched"}, {row["state"] for row in orders})
        self.settle(campaign_id, "running")
        self.assertEqual(
            sorted((kind, name) for kind in ("node", "vim") for name in HOSTS),
            sorted(self.fleet.asked),
        )
        facts = [row["facts"]["disk_free_gib"] for row in self.bed.rows(models.host)]
        self.assertEqual([50] * 4, facts)

    def test_each_answer_belongs_to_its_check(self):
        campaign_id = self.campaign("checks: {migration: report, artifacts: block}")
        self.act(campaign_id, "start")
        self.settle(campaign_id, "running")
        self.assertEqual(
            {("migration.obstructed", name) for name in HOSTS},
            set(self.findings(campaign_id)),
        )

    def test_every_gate_asks_anew(self):
        """Against the cloud as it is then."""
        self.make_room()
        campaign_id = self.campaign(MIGRATION % "block", is_staged=True)
        self.act(campaign_id, "start")
        self.settle(campaign_id, "running")
        while set(HOSTS) <= set(self.places().values()):
            self.bed.step()
        self.make_room(0)
        self.change(models.preflight_report, sa.true(), made_at=1.0)
        self.fleet.asked.clear()
        for _ in range(60):
            self.bed.step()
        self.assertEqual("running", self.state(campaign_id))
        (slot,) = self.bed.rows(models.slot)
        self.assertEqual("done", slot["state"])
        rest = {*HOSTS} - {slot["host"]}
        self.assertEqual({("vim", name) for name in rest}, set(self.fleet.asked))
        self.assertIn("W147", {code for _, code in self.waits(campaign_id)})


class TestTrouble(Case):
    """V-3: what cannot be told is never a yes."""

    def unknown(self, campaign_id):
        found = self.findings(campaign_id)
        self.assertEqual({("migration.unknown", name) for name in HOSTS}, set(found))
        return found["migration.unknown", "h000"]["text"]

    def test_a_vim_that_is_away(self):
        os.remove(self.vim.path)
        campaign_id = self.campaign(MIGRATION % "block")
        self.act(campaign_id, "start")
        self.settle(campaign_id, "validated")
        self.assertIn("could not be told", self.unknown(campaign_id))

    def test_an_agent_of_the_vim_that_does_not_answer(self):
        """Bounded: nobody waits for ever; explain says for whom."""
        self.fleet.is_vim_silent = True
        campaign_id = self.campaign(MIGRATION % "block")
        self.act(campaign_id, "start")
        self.bed.step()
        self.assertIn(("h003", "W148"), self.waits(campaign_id))
        self.assertIn(("", "W144"), self.waits(campaign_id))
        self.change(models.preflight_order, sa.true(), hard_at=1.0)
        self.settle(campaign_id, "validated")
        self.assertIn("no answer in 120 s", self.unknown(campaign_id))

    def test_no_agent_of_the_vim_at_all(self):
        """It is known to be silent: nobody waits two minutes for it."""
        with self.database.begin() as connection:
            row = {"name": "v", "actions": None, "seen_at": 1.0}
            connection.execute(sa.insert(models.vim_agent).values(**row))
        campaign_id = self.campaign(MIGRATION % "block")
        self.act(campaign_id, "start")
        self.assertEqual("validated", self.state(campaign_id))
        found = self.findings(campaign_id)
        self.assertIn(("actions.vim_silent", ""), found)
        told = found["migration.unknown", "h001"]["text"]
        self.assertIn("every VIM agent is silent", told)
        self.assertEqual([], self.fleet.asked)
