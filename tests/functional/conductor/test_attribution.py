"""Faults of upgraded hosts: by chance, or by the upgrade."""

import uuid

from escalator.db import models, work
from escalator.domain import events, plan
from tests.functional.conductor import test_finish, test_odd_turns

OVER = test_finish.OVER
HOUR = 3600.0


class Case(test_finish.Case):
    def begin_attributed(self, **changes):
        changes = {
            "soak_s": 3600.0,
            "budgets": test_odd_turns.WIDE,
            "attribution": (plan.Attribution(0.05, 1000 * HOUR),),
            **changes,
        }
        return self.begin_usual(**changes)

    def now(self):
        with self.database.begin() as connection:
            return self.database.now(connection)

    def remember(self, host, hours_ago, is_expected=False, **more):
        """Store a fault that lasted ten minutes."""
        at = self.now() - hours_ago * HOUR
        values = {
            "fault_type": "host.down",
            "severity": "critical",
            "state": "cleared",
            "times": {},
            "evidence": {},
            "instances": [],
            "campaign_ids": [],
            "raised_at": at,
            "cleared_at": at + 600.0,
            "is_expected": is_expected,
        }
        with self.database.begin() as connection:
            row = {"id": str(uuid.uuid4()), "host": host, **values, **more}
            connection.execute(models.fault.insert().values(**row))

    def die(self, host, *kinds):
        """Tell of faults that began just now."""
        at = self.now()
        impacts = []
        for kind in kinds:
            times = {"T0": at, "T1": at}
            fault = events.Fault(str(uuid.uuid4()), host, kind, "critical", times)
            impacts.append(events.Impact(fault, (), True, times))
        self.engine_bed.fleet.silent.add(host)
        event = events.HostMarkedDown(str(uuid.uuid4()), tuple(impacts))
        self.engine_bed.faults.apply_down(event)

    def let_soak(self, hours):
        """Let the hosts be upgraded for so long already."""
        with self.database.begin() as connection:
            lines = models.journal
            past = lines.update().values(at=lines.c.at - hours * HOUR)
            connection.execute(past.where(lines.c.object_type == "slot"))
            started_at = self.campaign_row(connection)["started_at"] - hours * HOUR
            work.update_campaign(
                connection, self.campaign_id, 1.0, started_at=started_at
            )

    def campaign_row(self, connection):
        return work.read_campaign(connection, self.campaign_id)

    def verdict(self):
        bed = self.engine_bed
        lines = [r for r in bed.rows(models.journal) if r["object_type"] == "fault"]
        return lines[-1]["to_state"], lines[-1]["detail"]


class TestSoaking(Case):
    def test_a_fault_like_those_before_does_not_stop_it(self):
        """Every host is upgraded: the history before is what it is held against."""
        bed = self.begin_attributed()
        for hours in range(20, 500, 20):
            self.remember("h000", hours)
        bed.run_until(["soaking"])
        self.let_soak(10)
        self.die("h001", "host.down")
        self.steps()
        self.assertEqual("soaking", bed.state())
        kind, told = self.verdict()
        self.assertEqual("unrelated", kind)
        self.assertIn("1 fault in 30.", told)
        self.assertIn("without it (p = ", told)
        self.assertEqual("quarantined", self.slots()[("computes", "h001")])
        (raised,) = [r for r in bed.rows(models.fault) if r["state"] == "raised"]
        self.assertEqual([self.campaign_id], raised["campaign_ids"])

    def test_a_fault_that_is_new_rolls_it_back(self):
        bed = self.begin_attributed()
        self.remember("h000", 900)
        bed.run_until(["soaking"])
        self.let_soak(1)
        self.die("h001", "host.down")
        self.assertEqual("rolled_back", bed.run_until(OVER))
        kind, told = self.verdict()
        self.assertEqual("related", kind)
        self.assertIn("1 fault in 3.0", told)
        self.assertIn("below 0.05", told)
        self.assertIn(told, self.campaign()["state_reason"])

    def test_one_is_chance_and_three_are_not(self):
        bed = self.begin_attributed()
        for hours in (100, 300, 500, 700, 900):
            self.remember("h000", hours)
        bed.run_until(["soaking"])
        self.let_soak(20)
        told = []
        for name in ("h000", "h001", "h002"):
            self.die(name, "host.down")
            told.append(self.verdict()[0])
        self.assertEqual(["unrelated", "related"], [told[0], told[2]])
        self.steps()
        self.assertEqual("rolled_back", bed.state())

    def test_without_any_history_every_fault_counts(self):
        bed = self.begin_attributed(on_fault=plan.FaultPolicy("hold"))
        bed.run_until(["soaking"])
        self.die("h001", "host.down")
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertIn("nothing speaks for chance", self.campaign()["state_reason"])

    def test_what_our_own_steps_explain_is_no_usual_fault(self):
        bed = self.begin_attributed()
        for hours in range(20, 500, 20):
            self.remember("h000", hours, is_expected=True)
        self.remember("h000", 5, fault_type="service.failed")
        bed.run_until(["soaking"])
        self.let_soak(10)
        self.die("h001", "host.down")
        self.assertEqual("rolled_back", bed.run_until(OVER))

    def test_a_file_that_does_not_ask_is_rolled_back_as_ever(self):
        bed = self.begin_attributed(attribution=())
        for hours in range(20, 500, 20):
            self.remember("h000", hours)
        bed.run_until(["soaking"])
        self.die("h001", "host.down")
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assertEqual("unexpected", self.verdict()[0])


class TestRunning(Case):
    def test_a_host_that_was_not_touched_does_not_stop_it(self):
        bed = self.begin_attributed(parallel=1, soak_s=0.0, commit="auto")
        bed.step()
        self.die("h002", "host.down")
        kind, told = self.verdict()
        self.assertEqual("unrelated", kind)
        self.assertIn("has not changed this host", told)
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertNotIn(("computes", "h002"), self.slots())

    def test_a_host_midway_goes_by_the_policy(self):
        bed = self.begin_attributed(parallel=1)
        for hours in range(20, 500, 20):
            self.remember("h000", hours)
        bed.step()
        bed.step()
        self.die("h000", "host.down")
        self.assertEqual("unexpected", self.verdict()[0])
        bed.step()
        self.assertIn(bed.state(), ("rolling_back", "rolled_back"))

    def test_an_expected_fault_is_stored_as_such(self):
        def program(order, times):
            return ("silent", "", "") if order.action == "reboot" else None

        steps = (test_finish.beds.step("reboot", "reboot", "back", may_reboot=True),)
        self.begin(program, steps=steps, attribution=(plan.Attribution(),))
        bed = self.engine_bed
        while not bed.rows(models.step):
            bed.step()
        self.die("h000", "host.down")
        self.assertEqual("expected", self.verdict()[0])
        self.assertEqual([True], [r["is_expected"] for r in bed.rows(models.fault)])
        up = events.HostMarkedUp(str(uuid.uuid4()), (), 1.0)
        bed.faults.apply_up(up)
        self.assertEqual("running", bed.state())
