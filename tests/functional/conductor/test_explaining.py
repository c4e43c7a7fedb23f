"""What explain says of a campaign that does not go on, in every state (rule 7)."""

import dataclasses

import sqlalchemy as sa

from escalator.conductor import explaining
from escalator.db import models
from escalator.domain import budget, plan, states
from tests.fixtures import engine as beds
from tests.functional.conductor import (
    test_finish,
    test_guard,
    test_odd_turns,
    test_preflight,
)

State = states.CampaignState
HELD = (plan.Rung("hold"),)
BY_OPERATOR = "closed by an operator"


def explained(bed, campaign_id):
    teller = explaining.Explaining(bed.engine, bed.execution.admission)
    return teller.explain(campaign_id)


def whole(rows):
    """Return (code, sentence) of the campaign itself."""
    return [
        (row["code"], row["reason"])
        for row in rows
        if not (row["host"] or row["procedure"] or row["state"] == "refused")
    ]


def of_host(rows, host):
    return {row["code"] for row in rows if row["host"] == host}


class TestStart(test_preflight.Case):
    """A campaign that was never started, or whose start was refused."""

    def setUp(self):
        super().setUp()
        self.campaign_id = self.create()

    def rows(self):
        return self.explains.explain(self.campaign_id)

    def whole(self):
        return whole(self.rows())

    def refused(self):
        """Return (code, host) of what the preflight found."""
        rows = [row for row in self.rows() if row["state"] == "refused"]
        self.assertTrue(all(row["reason"] and row["remedy"] for row in rows))
        return [(row["code"], row["host"]) for row in rows]

    def test_nobody_closed_what_was_never_started(self):
        self.assertEqual(
            [("W151", "waits: the campaign was not started")], self.whole()
        )
        rows = self.rows()
        self.assertEqual(
            {"h000", "h001", "h002", "h003"}, {row["host"] for row in rows} - {""}
        )
        self.assertEqual({"W145"}, of_host(rows, "h000"))
        self.assertNotIn(BY_OPERATOR, str(rows))

    def test_a_refused_start_names_check_and_remedy(self):
        self.host("h002", state="down")
        self.act(self.campaign_id, "start")
        ((code, text),) = self.whole()
        self.assertEqual("W152", code)
        self.assertIn("refused the start: h002: down or busy: it is down", text)
        self.assertEqual([("health.down", "h002")], self.refused())
        self.assertNotIn(BY_OPERATOR, str(self.rows()))

    def test_one_that_passed_since_is_believed(self):
        self.host("h002", state="down")
        self.act(self.campaign_id, "start")
        self.host("h002", state="up")
        self.change(models.campaign, sa.true(), updated_at=1.0)
        self.act(self.campaign_id, "preflight")
        self.assertEqual(["W151"], [code for code, _ in self.whole()])
        self.assertEqual([], self.refused())

    def test_a_preflight_without_a_start(self):
        """What it found would refuse the start."""
        self.add_fault("h001")
        self.act(self.campaign_id, "preflight")
        self.assertEqual(["W151"], [code for code, _ in self.whole()])
        self.assertEqual([("health.fault", "h001")], self.refused())

    def test_a_report_that_is_missing(self):
        self.campaign_id = self.made_with("valid: 15m")
        self.act(self.campaign_id, "start")
        ((code, text),) = self.whole()
        self.assertEqual("W152", code)
        self.assertIn("there is no report; make one", text)
        self.assertEqual([], self.refused())

    def test_a_revision_without_approval(self):
        with self.database.begin() as connection:
            connection.execute(sa.update(models.plan_rev).values(awaits="many joined"))
        self.act(self.campaign_id, "start")
        ((code, text),) = self.whole()
        self.assertEqual("W128", code)
        self.assertIn("many joined", text)

    def test_one_that_was_cancelled(self):
        self.act(self.campaign_id, "cancel", reason="the vendor withdrew it")
        told = "the campaign is cancelled: the vendor withdrew it"
        self.assertEqual([("W165", told)], self.whole())
        rows = self.rows()
        self.assertEqual({"W146"}, of_host(rows, "h003"))
        self.assertEqual({"cancelled", "over"}, {row["state"] for row in rows})

    def test_every_state_is_told(self):
        """None is without its sentence, and none blames an operator."""
        for state in set(State) - {State.RUNNING}:
            with self.subTest(state):
                self.change(
                    models.campaign,
                    sa.true(),
                    state=state.value,
                    state_reason="something",
                    soak_until=1.0,
                )
                rows = self.rows()
                told = whole(rows)
                self.assertTrue(told)
                self.assertNotIn(told[0][0], ("W100", "S101", "W101"))
                self.assertNotIn(BY_OPERATOR, str(rows))
                self.assertTrue(all(row["remedy"] for row in rows))

    def test_one_that_runs_has_no_row_of_its_own(self):
        self.change(models.campaign, sa.true(), state="running")
        self.assertEqual([], self.whole())
        self.act(self.campaign_id, "pause", rack="r1")
        rows = self.rows()
        self.assertEqual({"W101"}, of_host(rows, "h001"))
        self.assertEqual([], whole(rows))


class TestSpareHosts(test_guard.Case):
    """A drain that finds no room: how many hosts of which kind are missing."""

    def test_of_a_refused_start(self):
        made = beds.rolling_plan(parallel=2, steps=test_guard.DRAINED, budgets=())
        procedure = dataclasses.replace(made.procedures[0], budgets=())
        made = dataclasses.replace(made, procedures=(procedure,))
        campaign_id = beds.start_campaign(self.bed, made)
        with self.database.begin() as connection:
            facts = {"capacity": 5}
            connection.execute(sa.update(models.host).values(facts=facts))
            connection.execute(sa.update(models.campaign).values(state="validated"))
        self.bed.steers.act(campaign_id, "start", {}, "op", None)
        rows = explained(self.bed, campaign_id)
        ((code, text),) = whole(rows)
        self.assertEqual("W152", code)
        self.assertIn("10 instances leave 2 hosts", text)
        found = {row["code"]: row["remedy"] for row in rows}
        self.assertIn("add 2 spare compute hosts", found["capacity.room"])


class TestGuard(test_guard.Case):
    def test_the_invariant_is_named(self):
        self.plant(budget.Ledger, "refusals", lambda *_: ())
        campaign_id = beds.start_campaign(self.bed, beds.rolling_plan())
        self.bed.step()
        ((code, text),) = whole(explained(self.bed, campaign_id))
        self.assertEqual("W157", code)
        self.assertIn("guard.budget: budget group g0", text)


class Case(test_finish.Case):
    def rows(self):
        return explained(self.engine_bed, self.campaign_id)

    def whole(self):
        return whole(self.rows())

    def assert_whole(self, code, *parts):
        """The campaign's own row has this code, and these words."""
        found = [text for known, text in self.whole() if known == code]
        self.assertTrue(found, self.whole())
        for part in parts:
            self.assertIn(part, " ".join(found))
        self.assertNotIn(BY_OPERATOR, str(self.rows()))


class TestPaused(Case):
    def test_by_whom_and_why(self):
        bed = self.begin_usual()
        bed.execution.look_at(self.campaign_id)
        self.act("pause", reason="the network is maintained")
        self.assert_whole("W154", "asked for by op: the network", "2 steps are under")
        bed.run_until(["paused"])
        self.assert_whole("W155", "asked for by op: the network is maintained")
        self.assertEqual({"W145"}, of_host(self.rows(), "h001"))

    def test_a_refused_resume_does_not_hide_the_pause(self):
        bed = self.begin_usual()
        bed.step()
        self.act("pause")
        bed.run_until(["paused"])
        self.change_host("h001", state="down")
        self.act("resume")
        self.assert_whole("W155", "asked for by op")
        self.assert_whole("W153", "h001: down or busy")
        self.assertIn("health.down", of_host(self.rows(), "h001"))
        self.change_host("h001", state="up")
        self.act("resume")
        self.assertEqual([], self.whole())

    def test_a_retry_does_not_go_on_by_itself_meanwhile(self):
        program = self.fails_once("h000", "install", "transient")
        retry = plan.Rung("retry", ("transient",), times=2, backoff_s=3600.0)
        bed = self.begin_usual(program, parallel=1, ladder=(retry,))
        while "W112" not in of_host(self.rows(), "h000"):
            bed.step()
        self.act("pause")
        bed.run_until(["paused"])
        self.assertEqual({"W145"}, of_host(self.rows(), "h000"))
        self.act("resume")
        self.assertEqual({"W112"}, of_host(self.rows(), "h000"))

    def test_the_latest_pause_of_the_whole_campaign_counts(self):
        bed = self.begin_usual(parallel=1)
        for reason in ("a rehearsal", "a drill"):
            self.act("pause", reason=reason)
            bed.run_until(["paused"])
            if reason == "a rehearsal":
                self.act("resume")
        self.act("pause", target="h002", reason="its disk is swapped")
        self.assert_whole("W155", "a drill")


class TestHolding(Case):
    def hold(self):
        """Let a step fail for good on h001."""
        program = self.fails_once("h001", "install")
        bed = self.begin_usual(program, ladder=HELD, parallel=1)
        self.assertEqual("holding", bed.run_until(["holding", "committed"]))
        return bed

    def test_it_names_host_and_step(self):
        self.hold()
        self.assert_whole("W156", "h001: install failed (permanent): planted")
        self.assertIn("F202", of_host(self.rows(), "h001"))
        self.assertEqual("holding", self.rows()[0]["state"])
        self.assertIn("resume", self.rows()[0]["remedy"])

    def test_a_refused_resume_does_not_hide_the_cause(self):
        self.hold()
        self.change_host("h002", state="down")
        self.act("resume")
        self.assert_whole("W156", "h001: install failed")
        self.assert_whole("W153", "h002: down or busy")

    def test_what_came_later_does_not_either(self):
        bed = self.hold()
        row, told = self.campaign(), "gate computes/canary is open"
        with self.database.begin() as connection:
            batch = bed.engine.batch(connection)
            bed.engine.tell_campaign(connection, batch, row, told)
            batch.write(connection)
        self.assert_whole("W156", "h001: install failed", f"since then: {told}")

    def test_a_revision_that_awaits_its_approval_as_well(self):
        self.hold()
        with self.database.begin() as connection:
            connection.execute(sa.update(models.plan_rev).values(awaits="many joined"))
        self.assert_whole("W156", "h001: install failed")
        self.assert_whole("W128", "many joined")

    def test_for_a_revision(self):
        """Nothing failed: its approval is all that it waits for."""
        bed = self.begin_usual(on_drift=plan.DriftPolicy(approve_percent=10.0))
        self.change_host("h002", is_listed=False)
        self.assertEqual("holding", bed.run_until(["holding", "committed"]))
        self.assertEqual(["W128"], [code for code, _ in self.whole()])
        self.change_host("h002", is_listed=True)
        self.act("change", parallel={"computes": 1})
        self.assertEqual(["W127"], [code for code, _ in self.whole()])

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
    def test_soak_then_commit(self):
        bed = self.begin_usual(soak_s=3600.0)
        bed.run_until(["soaking"])
        self.assertRegex(dict(self.whole())["W158"], r"until \d{4}-\d\d-\d\d .* UTC")
        self.act("commit", reason="no complaints")
        self.assertEqual(
            [("W165", "the campaign is committed: no complaints")], self.whole()
        )

    def test_a_commit_that_is_left_to_an_operator(self):
        bed = self.begin_usual(commit_after_s=3600.0)
        bed.run_until(["completed"])
        self.assert_whole("W159", "or it commits itself at ")

    def test_a_rollback_and_its_end(self):
        bed = self.begin_usual()
        bed.run_until(["completed"])
        self.act("rollback", reason="the new version leaks")
        self.assert_whole("W160", "the new version leaks")
        bed.run_until(["rolled_back"])
        self.assert_whole("W163", "the new version leaks")
        self.change_host("h002", state="down")
        self.act("start")
        self.assert_whole("W152", "h002: down or busy")
        self.change_host("h002", state="up")
        with self.database.begin() as connection:
            connection.execute(sa.update(models.plan_rev).values(awaits="many joined"))
        self.act("start")
        self.assertEqual(["W128"], [code for code, _ in self.whole()])

    def test_a_rollback_that_is_stuck(self):
        bed = self.begin_usual()
        bed.run_until(["completed"])
        self.change_host("h001", is_listed=False)
        self.act("rollback")
        self.steps()
        self.assert_whole("W161", "h001: waits: the host left the inventory")
        self.change_host("h001", is_listed=True)
        bed.execution.look_at(self.campaign_id)
        self.assert_whole("W160", "asked for by an operator")
        self.assertNotIn("W161", dict(self.whole()))

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

    def test_a_rollback_that_failed(self):
        def program(order, times):
            if (order.host, order.action) == ("h001", "restore"):
                return ("failed", "permanent", "planted")
            return None

        bed = self.begin_usual(program, budgets=test_odd_turns.WIDE)
        bed.run_until(["completed"])
        self.act("rollback", reason="the new version leaks")
        self.assertEqual("failed", bed.run_until(["failed", "rolled_back", "holding"]))
        self.assert_whole("W164", "the undo of 1 targets failed")
        self.assertIn("W117", of_host(self.rows(), "h001"))
