"""What random runs found, each played once more in its plainest form."""

import dataclasses
import uuid

from escalator import errors
from escalator.conductor import explaining, steering
from escalator.db import models
from escalator.domain import events, plan
from tests.fixtures import engine as beds
from tests.functional.conductor import test_engine

CHANGE = (beds.step("one", "one", "not-one"), beds.step("two", "two", "not-two"))
WIDE = tuple(plan.Budget(name, "all", max_down=9) for name in ("rack", "group"))


class Case(test_engine.Case):
    hosts = 3

    def begin(self, program=None, **changes):
        """Start a campaign of two steps, one host after the other."""
        values = {"parallel": 1, "steps": CHANGE, "budgets": WIDE, **changes}
        self.made = beds.rolling_plan(**values)
        self.engine_bed = self.bed(program)
        self.campaign_id = beds.start_campaign(self.engine_bed, self.made)
        return self.engine_bed

    def act(self, action, **arguments):
        bed = self.engine_bed
        steers = steering.Steering(bed.engine, bed.execution)
        steers.act(self.campaign_id, action, arguments, "op", None)

    def die(self, host, *kinds):
        self.engine_bed.fleet.silent.add(host)
        impacts = []
        for kind in kinds:
            fault = events.Fault(
                str(uuid.uuid4()), host, kind, "critical", {"T0": 1.0, "T1": 2.0}
            )
            impacts.append(events.Impact(fault, (), True, fault.times))
        event = events.HostMarkedDown(str(uuid.uuid4()), tuple(impacts))
        self.engine_bed.faults.apply_down(event)

    def change_host(self, name, **values):
        with self.database.begin() as connection:
            table = models.host
            change = table.update().where(table.c.name == name).values(**values)
            connection.execute(change)

    def told(self):
        """Return host -> why it waits, as an operator sees it."""
        bed = self.engine_bed
        teller = explaining.Explaining(bed.engine, bed.execution.admission)
        return {t["host"]: t["reason"] for t in teller.explain(self.campaign_id)}

    def slots(self):
        rows = self.engine_bed.rows(models.slot)
        return {(row["procedure"], row["host"]): row["state"] for row in rows}

    def occupied(self):
        rows = self.engine_bed.rows(models.host)
        return {row["name"] for row in rows if row["campaign_id"]}

    def steps(self, count=30):
        for _ in range(count):
            self.engine_bed.step()

    def fails_once(self, host, action, kind="permanent"):
        failed = []

        def program(order, times):
            if (order.host, order.action) == (host, action) and not failed:
                failed.append(order)
                return ("failed", kind, "planted")
            return None

        return program


class TestFaults(Case):
    def test_two_faults_of_one_host_in_one_event(self):
        """DC-4: it was refused as an illegal move, and told again for ever."""
        bed = self.begin()
        bed.step()
        self.die("h000", "host.down", "link.down")
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "failed"]))
        self.assertEqual("quarantined", self.slots()[("computes", "h000")])

    def test_a_fault_with_the_scope_of_a_procedure(self):
        """It named no procedure: everything was "undone" and nothing was."""
        bed = self.begin(on_fault=plan.FaultPolicy("rollback", "procedure"))
        while ("h001", "run", "one") not in bed.fleet.log:
            bed.step()
        self.die("h001", "host.down")
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "failed"]))
        undone = [(h, a) for h, i, a in bed.fleet.log if i == "revert"]
        self.assertEqual([("h000", "not-two"), ("h000", "not-one")], undone)


class TestHosts(Case):
    def test_a_host_that_leaves_midway_gets_no_further_order(self):
        """P-4a: its next step waits, says why, and goes on when it is back."""
        bed = self.begin()
        bed.step()
        self.change_host("h000", is_listed=False)
        self.steps()
        self.assertEqual([("h000", "run", "one")], bed.fleet.log)
        self.assertEqual("waits: the host left the inventory", self.told()["h000"])
        self.change_host("h000", is_listed=True)
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))

    def test_a_quarantined_host_is_not_begun(self):
        """P-4c: whatever the selector says."""
        careless = plan.Selector(
            "computes", (plan.Condition("role", ("compute",)),), ()
        )
        self.change_host("h001", is_quarantined=True)
        bed = self.begin(selectors=(careless,))
        self.steps(40)
        self.assertEqual({"h000", "h002"}, {host for host, _, _ in bed.fleet.log})
        self.assertEqual({"h001": "waits: the host is quarantined"}, self.told())

    def two_procedures(self, program, **changes):
        first = beds.rolling_plan(parallel=3, steps=CHANGE).procedures[0]
        second = dataclasses.replace(
            first, **{"id": "second", "parallel": 1, **changes}
        )
        return self.begin(program, procedures=(first, second))

    def test_a_host_is_given_up_for_every_procedure(self):
        """P-4c, R-2: a quarantined host is not touched, on the way back too."""
        steps = (beds.step("last", "last", "not-last"),)
        bed = self.two_procedures(
            self.fails_once("h000", "last"),
            level=20,
            steps=steps,
            ladder=(plan.Rung("quarantine"),),
        )
        while ("second", "h001") not in self.slots():
            bed.step()
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "failed"]))
        undone = {host for host, intent, _ in bed.fleet.log if intent == "revert"}
        self.assertEqual({"h001", "h002"}, undone)
        self.assertEqual("quarantined", self.slots()[("computes", "h000")])

    def test_two_steps_of_one_host_are_lost_at_once(self):
        """P-4c: the first gives the host up, and the second step with it."""
        first = beds.rolling_plan(1, steps=CHANGE).procedures[0]
        first = dataclasses.replace(first, ladder=(plan.Rung("quarantine"),))
        both = (first, dataclasses.replace(first, id="second"))
        bed = self.begin(procedures=both)
        bed.fleet.silent.add("h000")
        while len([r for r in bed.rows(models.step) if r["fence"]]) < 2:
            bed.step()
        with self.database.begin() as connection:
            connection.execute(
                models.step.update().values(hard_at=1.0, lease_until=2.0)
            )
        bed.leases.sweep()
        self.assertEqual({"quarantined"}, set(self.slots().values()))
        self.assertEqual({"h000"}, {host for _, host in self.slots()})
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))

    def test_a_later_level_is_undone_first(self):
        """P-4b, R-2: with room for all hosts at once."""
        steps = (beds.step("last", "last", "not-last"),)
        bed = self.two_procedures(None, level=20, steps=steps)
        while ("h001", "run", "last") not in bed.fleet.log:
            bed.step()
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "failed"]))
        undone = [action for _, intent, action in bed.fleet.log if intent == "revert"]
        self.assertNotIn("not-last", undone[undone.index("not-two") :])
        self.assertGreaterEqual(undone.count("not-last"), 2)

    def test_hosts_are_kept_until_they_are_undone(self):
        """Rule 6: no other campaign may take what is still to be undone."""
        bed = self.begin()
        while len(self.slots()) < 3:
            bed.step()
        self.act("rollback")
        while bed.state() == "rolling_back":
            bed.step()
            left = {host for (_, host), s in self.slots().items() if s != "reverted"}
            self.assertLessEqual(left, self.occupied())
        self.assertEqual(set(), self.occupied())

    def test_a_cancelled_campaign_lets_go(self):
        bed = self.begin()
        while len(self.slots()) < 2:
            bed.step()
        self.act("pause")
        bed.run_until(["paused"])
        while "active" in self.slots().values():
            self.act("resume")
            self.steps(1)
            self.act("pause")
            bed.run_until(["paused"])
        self.assertTrue(self.occupied())
        self.act("cancel")
        self.assertEqual(set(), self.occupied())


class TestDoubt(Case):
    def test_what_must_not_be_repeated_is_not_retried_when_it_is_lost(self):
        """Rule 5: nobody knows whether it acted, whatever the ladder says."""
        steps = (
            beds.step("one", "one", "not-one", idempotence="never", timeout_s=0.1),
        )
        ladder = (plan.Rung("retry", ("lost",), times=2),)
        bed = self.begin(
            lambda order, times: ("running", "", ""), steps=steps, ladder=ladder
        )
        self.assertEqual("holding", bed.run_until(["holding", "committed"]))
        self.assertEqual(1, bed.fleet.runs[("h000", "one")])
        self.assertIn("nobody knows whether one acted", self.told()["h000"])

    def test_an_undo_that_must_not_be_repeated_is_not(self):
        """Rule 5: its agent was interrupted, and a person is asked."""
        one = beds.step("one", "one", "not-one", idempotence="never")
        answers = {"two": ("failed", "permanent", ""), "not-one": ("unknown", "", "")}
        bed = self.begin(
            lambda order, times: answers.get(order.action),
            steps=(one, CHANGE[1]),
            ladder=(plan.Rung("compensate"), plan.Rung("rollback")),
        )
        self.assertEqual("holding", bed.run_until(["holding", "committed"]))
        self.assertEqual({("computes", "h000"): "undo_failed"}, self.slots())
        self.assertEqual(1, bed.fleet.runs[("h000", "not-one")])
        self.assertIn("undo of one failed: the agent was", self.told()["h000"])
        answers.clear()
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "failed"]))


class TestSteering(Case):
    def test_a_closed_rack_gets_no_further_step(self):
        """E-0: as a closed target does."""
        bed = self.begin()
        bed.step()
        self.act("pause", rack="r0")
        self.steps()
        self.assertEqual([("h000", "run", "one")], bed.fleet.log)
        self.assertIn("admission is closed", self.told()["h000"])
        self.act("resume", rack="r0")
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))

    def test_a_closed_rack_is_not_begun(self):
        """E-0: the rest of the campaign goes on."""
        bed = self.begin()
        self.act("pause", rack="r1")
        self.steps()
        self.assertEqual({"h000", "h002"}, {host for host, _, _ in bed.fleet.log})
        self.assertIn("admission is closed", self.told()["h001"])

    def test_a_closed_procedure_is_not_begun_and_gets_no_further_step(self):
        """E-0: the other procedure goes on."""
        bed = self.begin()
        first = self.made.procedures[0]
        with self.assertRaisesRegex(errors.InvalidInput, "known: computes"):
            self.act("pause", procedure="stores")
        bed.step()
        self.act("pause", procedure=first.id)
        self.steps()
        self.assertEqual([("h000", "run", "one")], bed.fleet.log)
        self.assertIn("admission is closed", self.told()["h000"])
        self.assertIn("admission is closed", self.told()["h001"])
        self.act("resume", procedure=first.id)
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))

    def test_a_step_in_doubt_is_not_repeated_while_paused(self):
        """E-0, rule 5: it waits as every next step does."""
        bed = self.begin(
            lambda order, times: ("unknown", "", "") if times == 1 else None
        )
        bed.step()
        self.act("pause")
        self.assertEqual("paused", bed.run_until(["paused"]))
        self.assertEqual(1, bed.fleet.runs[("h000", "one")])
        self.act("resume")
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))

    def test_what_failed_says_so(self):
        """Rule 7: a slot between two steps waits too."""
        bed = self.begin(self.fails_once("h000", "two"), ladder=(plan.Rung("hold"),))
        self.assertEqual("holding", bed.run_until(["holding"]))
        self.assertEqual("waits: failed: planted", self.told()["h000"])


class TestRollback(Case):
    def test_a_failed_undo_is_tried_again(self):
        """R-2: the host was repaired; there was no way out."""
        bed = self.begin(self.fails_once("h000", "not-one"))
        while ("h001", "run", "two") not in bed.fleet.log:
            bed.step()
        self.act("rollback")
        self.assertEqual("failed", bed.run_until(["rolled_back", "failed"]))
        self.assertEqual({"h000"}, self.occupied())
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "failed"]))
        self.assertEqual(("h000", "revert", "not-one"), bed.fleet.log[-1])
        self.assertEqual(set(), self.occupied())

    def test_a_step_that_fails_meanwhile_does_not_hold_it(self):
        """R-2: its host is undone in any case."""
        bed = self.begin(self.fails_once("h000", "one"))
        bed.execution.look_at_all()
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "holding"]))

    def test_a_host_still_at_work_counts(self):
        """Rule 6: no more hosts at once than on the way forward."""
        bed = self.begin(
            lambda order, times: ("running", "", "") if order.host == "h001" else None
        )
        while ("computes", "h001") not in self.slots():
            bed.step()
        bed.step()
        self.act("rollback")
        self.steps(3)
        self.assertEqual("done", self.slots()[("computes", "h000")])
        self.assertIn("1 targets are worked on already", self.told()["h000"])

    def test_a_step_that_waits_for_its_retry_is_undone(self):
        """R-2: it has acted; the rollback was refused as an illegal move."""
        ladder = (plan.Rung("retry", (), times=3, backoff_s=60.0),)
        bed = self.begin(self.fails_once("h000", "one"), ladder=ladder)
        self.steps(3)
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "failed"]))
        self.assertEqual([("h000", "revert", "not-one")], bed.fleet.log)

    def test_a_procedure_that_was_undone_runs_again(self):
        """R-2: resumed, it stood still for ever."""
        made = beds.rolling_plan(parallel=1, steps=CHANGE, budgets=WIDE)
        first = made.procedures[0]
        second = dataclasses.replace(
            first,
            id="second",
            level=20,
            steps=(beds.step("three", "three", "not-three"), *CHANGE),
            ladder=(plan.Rung("rollback", scope="procedure"),),
        )
        bed = self.begin(self.fails_once("h001", "three"), procedures=(first, second))
        records = self.records_of(bed.fleet, "h000", "three")
        self.assertEqual("holding", bed.run_until(["holding", "committed"]))
        self.assertEqual("reverted", self.slots()[("second", "h000")])
        self.act("resume")
        self.assertEqual("committed", bed.run_until(["holding", "committed"]))
        self.assertEqual({"done"}, set(self.slots().values()))
        self.assertEqual(2, len(set(records)), "an agent takes it for the first run")
        self.assertEqual([], bed.rows(models.token_hold))

    def records_of(self, fleet, host, action):
        """Return a list that grows with every order to run ``action``."""
        found, run = [], fleet.run

        def watch(order):
            if (order.host, order.action, order.intent) == (host, action, "run"):
                found.append(order.record)
            return run(order)

        fleet.run = watch
        return found
