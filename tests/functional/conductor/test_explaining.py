"""What explain says of a campaign that does not go on, in every state (rule 7)."""

import dataclasses

import sqlalchemy as sa

from escalator.conductor import explaining
from escalator.db import models
from escalator.domain import plan
from tests.fixtures import engine as beds
from tests.functional.conductor import test_finish, test_odd_turns, test_preflight

BY_OPERATOR = "closed by an operator"


def explained(bed, campaign_id):
    teller = explaining.Explaining(bed.engine, bed.execution.admission)
    return teller.explain(campaign_id)


def of_host(rows, host):
    return {row["code"] for row in rows if row["host"] == host}


class TestStart(test_preflight.Case):
    """A campaign that was never started, or whose start was refused."""

    def setUp(self):
        super().setUp()
        self.campaign_id = self.create()

    def rows(self):
        return self.explains.explain(self.campaign_id)

    def test_nobody_closed_what_was_never_started(self):
        rows = self.rows()
        self.assertEqual(
            {"h000", "h001", "h002", "h003"}, {row["host"] for row in rows} - {""}
        )
        self.assertEqual({"W145"}, of_host(rows, "h000"))
        self.assertNotIn(BY_OPERATOR, str(rows))

    def test_hosts_of_one_that_was_cancelled(self):
        self.act(self.campaign_id, "cancel")
        rows = self.rows()
        self.assertEqual({"W146"}, of_host(rows, "h003"))
        self.assertEqual({"over"}, {row["state"] for row in rows})

    def test_a_part_that_an_operator_closed(self):
        self.change(models.campaign, sa.true(), state="running")
        self.act(self.campaign_id, "pause", rack="r1")
        self.assertEqual({"W101"}, of_host(self.rows(), "h001"))


class Case(test_finish.Case):
    def rows(self):
        return explained(self.engine_bed, self.campaign_id)


class TestHolding(Case):
    def test_a_step_held_by_a_pause_that_is_over(self):
        """It waits for the campaign, no operator has closed it any more."""
        bed = self.begin_usual()
        bed.step()
        with self.database.begin() as connection:
            reason = "waits: admission is closed by an operator"
            held = {"state": "held", "reason": reason}
            row = models.step.c
            query = sa.update(models.step).where(row.host == "h000", row.seq == 2)
            connection.execute(query.values(**held))
            connection.execute(sa.update(models.campaign).values(state="paused"))
        self.assertEqual({"S101", "W145"}, of_host(self.rows(), "h000"))
        with self.database.begin() as connection:
            closed = [{"host": "h000"}]
            connection.execute(sa.update(models.campaign).values(closed_to=closed))
        self.assertIn("W101", of_host(self.rows(), "h000"))


class TestEnd(Case):
    def test_a_step_that_is_not_run_any_more(self):
        """Its retry was due before the rollback; now it is only to be undone."""
        program = self.fails_once("h000", "install", "transient")
        retry = plan.Rung("retry", ("transient",), times=2, backoff_s=3600.0)
        bed = self.begin_usual(program, parallel=1, ladder=(retry,))
        while "W112" not in of_host(self.rows(), "h000"):
            bed.step()
        self.change_host("h000", is_listed=False)
        self.act("rollback")
        self.steps()
        self.assertEqual({"W108"}, of_host(self.rows(), "h000"))

    def test_only_what_is_rolled_back_is_undone(self):
        """A procedure alone: what an earlier one did stays."""
        program = self.fails_once("h001", "late")
        steps = (beds.step("late", "late", "not-late"),)
        ladder = (plan.Rung("rollback", scope="procedure"),)
        (low,) = beds.rolling_plan(budgets=test_odd_turns.WIDE).procedures
        high = dataclasses.replace(
            low, id="second", level=20, steps=steps, ladder=ladder, parallel=1
        )
        bed = self.begin_usual(
            program, procedures=(low, high), budgets=test_odd_turns.WIDE
        )
        bed.run_until(["rolling_back", "holding"])
        rows = [row for row in self.rows() if row["host"]]
        self.assertEqual({"second"}, {row["procedure"] for row in rows})
