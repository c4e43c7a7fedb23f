"""One procedure holds, the others go on (P-4c, E-0, E-4)."""

import dataclasses

from escalator.conductor import explaining
from escalator.db import models
from escalator.domain import plan, states
from tests.fixtures import engine as beds
from tests.fixtures import folding
from tests.functional.conductor import test_finish, test_odd_turns

HOLD = plan.Rung("hold", scope="procedure")
PAGE = plan.Rung("page", scope="procedure")
OVER = test_finish.OVER
SITES = ("north", "south")
LEFT = "only held procedures are left: "
HELD = "waits: admission is closed, procedure south holds: "
WHY = "h001: two failed (permanent): planted"


class Case(test_finish.Case):
    """Even hosts stand in the north, odd ones in the south; a procedure for each."""

    hosts = 6

    def begin_sites(self, program=None, rungs=(HOLD,), south=None, more=(), **changes):
        """Start a campaign over both sites.

        :param south: what is different in the procedure of the south.
        :param more: procedures that come later.
        """
        for at, name in enumerate(self.names):
            self.change_host(name, facts={"site": SITES[at % 2]})
        usual = beds.rolling_plan(1, steps=test_odd_turns.CHANGE).procedures[0]
        made = {
            site: dataclasses.replace(usual, id=site, selector=site, ladder=rungs)
            for site in SITES
        }
        made["south"] = dataclasses.replace(made["south"], **(south or {}))
        later = [
            dataclasses.replace(made["north"], **{"level": 20, **each}) for each in more
        ]
        program = program or self.fails_once("h001", "two")
        return self.begin(
            program,
            procedures=(*made.values(), *later),
            selectors=tuple(
                plan.Selector(site, (plan.Condition("site", (site,)),), ())
                for site in SITES
            ),
            **changes,
        )

    def hold(self, *arguments, **changes):
        """Play until the south holds."""
        bed = self.begin_sites(*arguments, **changes)
        while not self.campaign()["closed_to"]:
            bed.step()
        return bed

    def rows_of(self, host):
        """Return (code, sentence) of what explain says of a host."""
        return [(t["code"], t["reason"]) for t in self.explained() if t["host"] == host]

    def explained(self):
        bed = self.engine_bed
        teller = explaining.Explaining(bed.engine, bed.execution.admission)
        return teller.explain(self.campaign_id)

    def begun(self, site):
        return {host for procedure, host in self.slots() if procedure == site}

    def done(self, site):
        return sorted(
            host
            for (procedure, host), state in self.slots().items()
            if procedure == site and state == "done"
        )

    def assert_all_done_once(self):
        self.assertEqual({"done"}, set(self.slots().values()))
        self.assertEqual({1}, set(self.engine_bed.fleet.effects.values()))
        self.assertEqual([], self.campaign()["closed_to"])
        self.assertEqual([], self.engine_bed.rows(models.token_hold))
        self.assertEqual([], folding.unfolded(self.engine_bed))


class TestHold(Case):
    def test_the_other_goes_on_and_then_the_campaign_holds(self):
        bed = self.hold()
        self.assertEqual("running", bed.state())
        self.assertLess(len(self.done("north")), 3)
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual(3, len(self.done("north")))
        self.assertEqual({"h001"}, self.begun("south"))
        self.assertEqual(f"{LEFT}south: {WHY}", self.campaign()["state_reason"])
        self.act("resume", procedure="south")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()

    def test_who_is_told(self):
        """A hold as usual, a page as critical; each failure of a page."""
        for rung, severity in ((HOLD, "info"), (PAGE, "critical")):
            with self.subTest(rung.attempt):
                self.setUp()
                bed = self.hold(rungs=(rung,))
                told = [n for n in bed.news if n.reason.startswith("procedure south")]
                self.assertEqual(
                    [("running", "running", severity, f"procedure south holds: {WHY}")],
                    [(n.from_state, n.to_state, n.severity, n.reason) for n in told],
                )

    def test_who_holds_already_is_paged_all_the_same(self):
        def program(order, times):
            if order.host in ("h001", "h003") and times == 1:
                return ("failed", "permanent", "planted")
            return None

        bed = self.hold(program, (PAGE,), {"parallel": 2})
        self.steps()
        paged = [each.reason for each in bed.news if each.severity == "critical"]
        self.assertEqual(["h001", "h003"], [t.split()[3][:4] for t in sorted(paged)])
        self.assertEqual(1, len(self.campaign()["closed_to"]))

    def test_without_a_scope_everything_stops(self):
        for attempt in ("hold", "page"):
            with self.subTest(attempt):
                self.setUp()
                bed = self.begin_sites(rungs=(plan.Rung(attempt),))
                self.assertEqual("holding", bed.run_until(OVER))
                self.assertLess(len(self.done("north")), 3)
                self.assertEqual(WHY, self.campaign()["state_reason"])

    def test_every_host_says_why(self):
        self.hold(more=({"id": "after"},))
        whole = [
            (each["procedure"], each["code"], each["reason"])
            for each in self.explained()
            if not each["host"]
        ]
        self.assertEqual([("south", "W171", HELD + WHY)], whole)
        self.assertEqual([("F202", f"{HELD}failed: planted")], self.rows_of("h001"))
        self.assertEqual([("W171", HELD + WHY)], self.rows_of("h003"))
        later = ("W172", "waits: an earlier procedure holds: south")
        self.assertIn(later, self.rows_of("h004"))

    def test_what_comes_after_it_waits_and_is_done_in_the_end(self):
        bed = self.hold(more=({"id": "after"},))
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual(set(), self.begun("after"))
        self.act("resume", procedure="south")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()

    def test_a_procedure_that_holds_is_not_complete(self):
        """Its last host is given up: nothing commits past the hold."""
        policy = plan.FaultPolicy("hold", "procedure")
        bed = self.begin_sites(lambda order, times: None, on_fault=policy)
        while len(self.done("south")) < 2:
            bed.step()
        self.die("h005", "host.down")
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual("quarantined", self.slots()[("south", "h005")])
        self.assertEqual(
            f"{LEFT}south: h005: host.down", self.campaign()["state_reason"]
        )
        self.act("resume", procedure="south")
        self.assertEqual("committed", bed.run_until(OVER))

    def test_a_single_step_midway_keeps_all_others_waiting(self):
        """P-1: so the campaign holds."""
        whole = {"method": "single_step", "parallel": 9}
        bed = self.begin_sites(rungs=(HOLD,), south=whole)
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertTrue(self.campaign()["state_reason"].startswith(LEFT))
        self.act("resume", procedure="south")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()


class TestStepsUnderWay(Case):
    def test_they_end_and_the_next_one_waits(self):
        """As on a pause: h003 ends its first step and is not given the second."""
        ended = []

        def program(order, times):
            if order.host == "h001":
                return ("failed", "permanent", "planted")
            is_slow = order.host == "h003" and not ended
            return ("running", "", "") if is_slow else None

        bed = self.hold(program, south={"parallel": 2})
        while bed.step():
            pass
        self.assertEqual(3, len(self.done("north")))
        self.assertEqual("running", bed.state(), "h003 is under way")
        ended.append(True)
        (known,) = [r for r in bed.fleet.outcomes.values() if r.outcome == "running"]
        woken = []
        bed.engine.wake = lambda: woken.append(True)
        bed.results.apply([dataclasses.replace(known, outcome="done")])
        self.assertTrue(woken, "what is left is seen at once")
        self.assertEqual("holding", bed.run_until(OVER))
        steps = {r["name"]: r for r in bed.rows(models.step) if r["host"] == "h003"}
        self.assertEqual("done", steps["one"]["state"])
        self.assertEqual(0, steps["two"]["fence"])
        self.assertTrue(steps["two"]["reason"].startswith(HELD), steps["two"])

    def test_those_that_say_so_are_stopped(self):
        """E-0: ``on_pause: stop``; they run again when it is resumed."""
        slow = beds.step("slow", "slow", "not-slow", on_pause="stop")
        began = []

        def program(order, times):
            if order.host == "h001" and not began:
                return ("failed", "permanent", "planted")
            is_first = (order.host, order.action, times) == ("h003", "slow", 1)
            return ("running", "", "") if is_first else None

        self.hold(program, south={"parallel": 2, "steps": (slow,)})
        bed = self.engine_bed
        self.assertEqual("holding", bed.run_until(OVER))
        (step,) = [r for r in bed.rows(models.step) if r["host"] == "h003"]
        self.assertIn(step["state"], ("ready", "held"))
        stops = [r for r in bed.rows(models.journal) if r["to_state"] == "stopping"]
        self.assertEqual(
            [("h003", "its procedure holds")],
            [(row["host"], row["detail"]) for row in stops],
        )
        began.append(True)
        self.act("resume", procedure="south")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()

    def test_a_retry_does_not_go_on_meanwhile(self):
        """It says so: nothing goes on by itself there."""
        retry = plan.Rung("retry", ("transient",), times=2, backoff_s=0.01)

        kinds = {"h001": "permanent", "h003": "transient"}

        def program(order, times):
            kind = kinds.get(order.host)
            is_first = order.action == "one" and times == 1
            return ("failed", kind, "planted") if kind and is_first else None

        bed = self.hold(program, (retry, HOLD), {"parallel": 2})
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual(1, bed.fleet.runs[("h003", "one")])
        self.act("resume", procedure="south")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()

    def test_one_that_must_not_be_repeated(self):
        """Rule 5: a person is asked, of no more than the ladder's own page stops."""
        never = beds.step("one", "one", "not-one", idempotence="never", timeout_s=0.1)

        def program(order, times):
            return ("running", "", "") if (order.host, times) == ("h001", 1) else None

        bed = self.hold(program, (PAGE,), {"steps": (never,)})
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertIn("nobody knows whether one acted", self.told()["h001"])
        self.assertEqual(1, bed.fleet.runs[("h001", "one")])
        self.assertEqual(3, len(self.done("north")))


class TestResume(Case):
    def both(self):
        """Let both procedures hold, and so the campaign."""

        def program(order, times):
            is_meant = order.host in ("h000", "h001") and order.action == "one"
            is_first = is_meant and times == 1
            return ("failed", "permanent", "planted") if is_first else None

        bed = self.begin_sites(program)
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual(2, len(self.campaign()["closed_to"]))
        return bed

    def test_while_the_campaign_runs(self):
        bed = self.hold()
        self.act("resume", procedure="south")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()

    def test_one_after_the_other(self):
        """The other one stays as it is; then it alone is left."""
        bed = self.both()
        self.act("resume", procedure="south")
        self.assertEqual("running", bed.state())
        self.assertEqual("failed", self.slots()[("north", "h000")])
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual((0, 3), (len(self.done("north")), len(self.done("south"))))
        self.act("resume", procedure="north")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()

    def test_the_campaign_takes_up_all_that_the_engine_stopped(self):
        bed = self.both()
        self.act("resume")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()

    def test_what_an_operator_closed_stays_closed(self):
        bed = self.hold()
        self.act("pause", procedure="north")
        self.act("pause", procedure="south")
        self.assertEqual(3, len(self.campaign()["closed_to"]))
        self.act("resume", procedure="south")
        self.assertEqual([{"procedure": "north"}], self.campaign()["closed_to"])
        self.steps(60)
        self.assertEqual(3, len(self.done("south")))
        self.act("resume", procedure="north")
        self.assertEqual("committed", bed.run_until(OVER))

    def test_the_campaign_does_not_take_up_what_an_operator_closed(self):
        bed = self.both()
        self.act("pause", procedure="north")
        self.act("resume")
        self.assertEqual([{"procedure": "north"}], self.campaign()["closed_to"])
        self.steps(60)
        self.assertEqual((0, 3), (len(self.done("north")), len(self.done("south"))))
        self.act("resume", procedure="north")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()

    def test_after_a_pause_it_holds_as_before(self):
        bed = self.hold()
        self.act("pause")
        bed.run_until(["paused"])
        self.act("resume")
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual({"h001"}, self.begun("south"))

    def test_a_refused_preflight_leaves_it_as_it_is(self):
        """V-5."""
        bed = self.hold()
        self.assertEqual("holding", bed.run_until(OVER))
        self.change_host("h003", state="down")
        self.act("resume", procedure="south")
        self.assertEqual("holding", bed.state())
        self.assertIn("h003", self.campaign()["state_reason"])
        self.change_host("h003", state="up")
        self.act("resume", procedure="south")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()

    def test_a_host_that_is_tried_again_takes_its_procedure_up(self):
        bed = self.hold()
        self.act("change", retry=["h001"])
        self.assertEqual([], self.campaign()["closed_to"])
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()

    def test_a_whole_hold_for_another_reason_goes_on_by_a_whole_resume(self):
        """A procedure that is resumed meanwhile waits for it."""
        bed = self.hold()
        self.act("hold")
        bed.run_until(["paused"])
        row, to = self.campaign(), states.CampaignState.HOLDING
        with self.database.begin() as connection:
            batch = bed.engine.batch(connection)
            bed.engine.move_campaign(connection, batch, row, to, "something else")
            batch.write(connection)
        self.act("resume", procedure="south")
        self.steps()
        self.assertEqual("holding", bed.state())
        self.act("resume")
        self.assertEqual("committed", bed.run_until(OVER))
        self.assert_all_done_once()


class TestRollback(Case):
    def test_it_takes_the_procedure_with_it_and_all_can_start_again(self):
        bed = self.hold()
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assertIn(("h001", "revert", "not-one"), bed.fleet.log)
        self.act("start")
        self.assertEqual([], self.campaign()["closed_to"])
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual({"done"}, set(self.slots().values()))

    def test_another_procedures_failure_does_so_too(self):
        def program(order, times):
            if (order.host, order.action, order.intent) == ("h004", "two", "run"):
                return ("failed", "verification", "planted")
            return (
                ("failed", "permanent", "x")
                if order.action == "two" and (order.host == "h001")
                else None
            )

        rungs = (plan.Rung("rollback", ("verification",), scope="campaign"), HOLD)
        bed = self.hold(program, rungs)
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assertEqual({"reverted"}, set(self.slots().values()))

    def test_a_hold_that_comes_too_late_changes_nothing(self):
        """The failure's signal is stored, and then a rollback is asked for."""
        bed = self.begin_sites()
        while not [r for r in bed.rows(models.signal) if r["kind"] == "hold"]:
            reports, bed.reports = bed.reports, []
            if any(each.outcome == "failed" for each in reports):
                bed.results.apply(reports)
                break
            bed.reports = reports
            bed.step()
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(OVER))
        ignored = [r for r in bed.rows(models.journal) if r["to_state"] == "ignored"]
        self.assertEqual([f"hold: {WHY}"], [row["detail"] for row in ignored])
        self.assertEqual({"reverted"}, set(self.slots().values()))
        self.assertEqual([], self.campaign()["closed_to"])


class TestFaults(Case):
    def test_of_a_host_at_work(self):
        """``on_fault: {do: hold, scope: procedure}``."""
        policy = plan.FaultPolicy("hold", "procedure")
        bed = self.begin_sites(lambda order, times: None, on_fault=policy)
        while ("south", "h001") not in self.slots():
            bed.step()
        self.die("h001", "host.down")
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual(3, len(self.done("north")))
        self.assertEqual({"h001"}, self.begun("south"))
        self.act("resume", procedure="south")
        self.assertEqual("committed", bed.run_until(OVER))

    def test_of_a_host_that_is_not_begun(self):
        """A whole site dies: only its own procedure selects it."""
        policy = plan.FaultPolicy("hold", "procedure")
        bed = self.begin_sites(lambda order, times: None, on_fault=policy)
        bed.step()
        self.die("h005", "host.down")
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual(3, len(self.done("north")))
        self.assertEqual(
            f"{LEFT}south: h005: host.down", self.campaign()["state_reason"]
        )

    def test_of_a_host_of_two_procedures(self):
        """Nothing tells which of them it concerns."""
        policy = plan.FaultPolicy("hold", "procedure")
        more = ({"id": "after", "selector": "south"},)
        bed = self.begin_sites(lambda order, times: None, more=more, on_fault=policy)
        bed.step()
        self.die("h005", "host.down")
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual("h005: host.down", self.campaign()["state_reason"])
