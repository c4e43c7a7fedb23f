"""The engine on a real SQLite database with a fake fleet."""

import collections
import dataclasses
import os
import tempfile
import time
import types
import unittest
import uuid

from escalator import errors
from escalator.conductor import execution, steering
from escalator.db import fetching, models, store, work
from escalator.domain import events, plan
from tests.fixtures import engine as beds


class Case(unittest.TestCase):
    hosts = 12

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.database = beds.database(
            "sqlite:///" + os.path.join(folder.name, "e.sqlite")
        )
        self.addCleanup(self.database.dispose)
        self.names = beds.add_hosts(self.database, self.hosts)

    def bed(self, program=None, **changes):
        bed = beds.EngineBed(self.database, beds.FakeFleet(program), **changes)
        bed.watch = lambda: self.check_budgets(bed)
        self.broken = []
        return bed

    def check_budgets(self, bed):
        """Hold the limits against the slots that are open, not against tokens."""
        hosts = {row["name"]: row for row in bed.rows(models.host)}
        out = {
            row["host"]
            for row in bed.rows(models.slot)
            if row["state"] in ("active", "undoing", "undone", "reverting", "failed")
        }
        out |= {name for name, row in hosts.items() if row["state"] == "down"}
        racks = collections.Counter(hosts[name]["rack"] for name in out)
        groups = collections.Counter(
            group for name in out for group in hosts[name]["server_groups"]
        )
        if max(racks.values(), default=0) > 2 or max(groups.values(), default=0) > 1:
            self.broken.append((dict(racks), dict(groups)))


class TestTurns(Case):
    def test_a_campaign_rests_after_a_look_by_any_conductor(self):
        """A look keeps reports waiting; they go first for a while after it."""
        one, other = self.bed(), self.bed(owner="conductor-2")
        beds.start_campaign(one, beds.rolling_plan())
        self.assertEqual(0.0, one.execution.look_in_turn())
        opened = len(one.rows(models.slot))
        self.assertGreater(opened, 0)
        until = one.rows(models.campaign)[0]["look_after"]
        self.assertGreater(until, one.rows(models.campaign)[0]["started_at"])
        one.results.apply(one.reports)
        self.rest(one, until + 4.0)
        self.assertGreater(other.execution.look_in_turn(), 2.0)
        self.assertEqual(until + 4.0, one.rows(models.campaign)[0]["look_after"])
        for over in (until - 60.0, until + 3600.0):
            self.rest(one, over)
            self.assertEqual(0.0, other.execution.look_in_turn())

    def test_looking_in_turn_alone_takes_a_campaign_to_its_end(self):
        """No rest is one without end, however long the looks take."""
        bed = self.bed()
        beds.start_campaign(bed, beds.rolling_plan())
        deadline = time.monotonic() + 60.0
        while bed.state() != "committed":
            self.assertLess(time.monotonic(), deadline)
            reports, bed.reports = bed.reports, []
            bed.results.apply(reports)
            left_s = bed.execution.look_in_turn()
            self.assertLessEqual(left_s, execution.LONGEST_REST_S)
            time.sleep(left_s)

    def rest(self, bed, until):
        campaign_id = bed.rows(models.campaign)[0]["id"]
        with self.database.begin() as connection:
            work.rest(connection, campaign_id, until)


class TestForward(Case):
    def test_every_host_gets_every_step_once(self):
        """P-4b, E-1: all upgraded, budgets held, no side effect twice."""
        bed = self.bed()
        beds.start_campaign(bed, beds.rolling_plan())
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertEqual([], self.broken)
        done = collections.Counter(h for h, _, a in bed.fleet.log if a == "install")
        self.assertEqual(dict.fromkeys(self.names, 1), dict(done))
        self.assertEqual({1}, set(bed.fleet.effects.values()))
        self.assertEqual([], bed.rows(models.token_hold))
        self.assertEqual([], bed.rows(models.outbox))
        self.assertEqual({None}, {row["campaign_id"] for row in bed.rows(models.host)})

    def test_transient_failure_is_retried(self):
        """P-4c: the ladder's first rung."""

        def program(order, times):
            if order.host == "h003" and order.action == "install" and times <= 2:
                return ("failed", "transient", "lock held")
            return None

        bed = self.bed(program)
        beds.start_campaign(bed, beds.rolling_plan())
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertEqual(3, bed.fleet.runs[("h003", "install")])

    def test_lost_order_is_probed_and_cast_again(self):
        """Rule 5: an agent that never saw the order gets it again."""

        dropped = []

        def program(order, times):
            if order.action == "drain" and not dropped:
                dropped.append(order.host)
                return ("silent", "", "")
            return None

        bed = self.bed(program)
        beds.start_campaign(bed, beds.rolling_plan())
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertEqual({1}, set(bed.fleet.effects.values()))

    def test_unsent_messages_are_taken_over(self):
        """Rule 2: killed between commit and cast, the outbox still owes it."""
        bed = self.bed()
        bed.is_dropping = True
        beds.start_campaign(bed, beds.rolling_plan())
        self.assertEqual("committed", bed.run_until(["committed", "holding"], 60))
        self.assertEqual({1}, set(bed.fleet.effects.values()))

    def test_hosts_join_and_leave(self):
        """P-4a: a new plan revision, no step for a host that left."""
        bed = self.bed()
        beds.start_campaign(bed, beds.rolling_plan(parallel=1))
        for _ in range(3):
            bed.step()
        with bed.database.begin() as connection:
            connection.execute(
                models.host.update()
                .where(models.host.c.name == "h011")
                .values(is_listed=False)
            )
            row = dict(bed_host(connection, "h010"), name="h999", server_groups=[])
            connection.execute(models.host.insert().values(**row))
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        touched = {host for host, _, _ in bed.fleet.log}
        self.assertIn("h999", touched)
        self.assertNotIn("h011", touched)
        revisions = bed.rows(models.plan_rev)
        self.assertEqual(["h999"], revisions[-1]["diff"]["joined"])
        self.assertEqual(["h011"], revisions[-1]["diff"]["left"])


def bed_host(connection, name):
    query = models.host.select().where(models.host.c.name == name)
    return dict(connection.execute(query).mappings().one())


class TestBackward(Case):
    def failing(self, host, action, kind="permanent"):
        def program(order, times):
            if order.host == host and order.action == action:
                return ("failed", kind, "planted")
            return None

        return program

    def test_undone_retried_then_rolled_back_in_reverse(self):
        """R-2: per target the exact mirror of what the journal says was done."""
        bed = self.bed(self.failing("h006", "verify", "verification"))
        beds.start_campaign(bed, beds.rolling_plan())
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "failed"]))
        self.assertEqual([], self.broken)
        self.assertEqual(2, bed.fleet.runs[("h006", "install")])
        undo = {"disable": "enable", "install": "restore", "enable": "vacate"}
        for name in {host for host, _, _ in bed.fleet.log}:
            done = [
                (intent, action)
                for host, intent, action in bed.fleet.log
                if host == name and action not in ("manifest", "drain", "verify")
            ]
            while done:
                forward = [a for i, a in done if i == "run"]
                first = next((n for n, d in enumerate(done) if d[0] == "revert"), 0)
                run = [a for _, a in done[:first]]
                back = [a for i, a in done[first : first * 2]]
                self.assertEqual([undo[a] for a in reversed(run)], back, name)
                self.assertTrue(forward)
                done = done[first * 2 :]
        self.assertEqual([], bed.rows(models.token_hold))
        self.assertEqual({"reverted"}, {row["state"] for row in bed.rows(models.slot)})

    def test_failed_undo_ends_in_failed(self):
        """R-2: what cannot be undone is said, the rest is undone."""

        def program(order, times):
            if order.host == "h006" and order.action in ("verify", "restore"):
                return ("failed", "permanent", "planted")
            return None

        bed = self.bed(program)
        ladder = (plan.Rung("rollback", scope="campaign"),)
        beds.start_campaign(bed, beds.rolling_plan(ladder=ladder))
        self.assertEqual("failed", bed.run_until(["rolled_back", "failed"]))
        states = {row["host"]: row["state"] for row in bed.rows(models.slot)}
        self.assertEqual("undo_failed", states.pop("h006"))
        self.assertEqual({"reverted"}, set(states.values()))

    def test_fault_quarantines_and_rolls_back_the_rest(self):
        """DC-4: admission stops, the dead host is quarantined, the rest undone."""
        bed = self.bed()
        campaign_id = beds.start_campaign(bed, beds.rolling_plan())
        while len({h for h, _, a in bed.fleet.log if a == "enable"}) < 4:
            bed.step()
        open_now = [r for r in bed.rows(models.slot) if r["state"] == "active"]
        dead = open_now[0]["host"]
        bed.fleet.silent.add(dead)
        fault = events.Fault(
            str(uuid.uuid4()), dead, "host.down", "critical", {"T0": 1.0, "T1": 2.0}
        )
        impact = events.Impact(fault, (), True, fault.times)
        event = events.HostMarkedDown(str(uuid.uuid4()), (impact,))
        bed.faults.apply_down(event)
        bed.faults.apply_down(event)
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "failed"]))
        self.assertEqual([], self.broken)
        states = {row["host"]: row["state"] for row in bed.rows(models.slot)}
        self.assertEqual("quarantined", states.pop(dead))
        self.assertEqual({"reverted"}, set(states.values()))
        faults = bed.rows(models.fault)
        self.assertEqual([[campaign_id]], [row["campaign_ids"] for row in faults])
        hosts = {row["name"]: row for row in bed.rows(models.host)}
        self.assertTrue(hosts[dead]["is_quarantined"])

    def die(self, bed, host):
        """Let the engine hear of a dead host as the inspector tells it."""
        bed.fleet.silent.add(host)
        fault = events.Fault(
            str(uuid.uuid4()), host, "host.down", "critical", {"T0": 1.0, "T1": 2.0}
        )
        impact = events.Impact(fault, (), True, fault.times)
        bed.faults.apply_down(events.HostMarkedDown(str(uuid.uuid4()), (impact,)))

    def test_a_fault_during_our_own_reboot_is_expected(self):
        """DR-4: only noted while the step that may reboot is under way."""

        def program(order, times):
            return ("silent", "", "") if order.action == "reboot" else None

        steps = (
            beds.step("checkpoint", "manifest", kind="checkpoint", checkpoint="cp"),
            beds.step("reboot", "reboot", "reboot", may_reboot=True),
            beds.step("install", "install", "restore"),
        )
        bed = self.bed(program)
        campaign_id = beds.start_campaign(bed, beds.rolling_plan(1, steps=steps))
        while not any(r["name"] == "reboot" for r in self.in_flight(bed)):
            bed.step()
        (rebooting,) = self.in_flight(bed)
        ends = {
            row["name"]: row["expected_down_until"]
            for row in store.Store(bed.database).read("host")
        }
        wanted = fetching.instant(rebooting["hard_at"])
        self.assertEqual(wanted, ends.pop(rebooting["host"]))
        self.assertEqual({None}, set(ends.values()))
        self.die(bed, rebooting["host"])
        self.assertEqual("running", bed.state())
        hosts = {row["name"]: row for row in bed.rows(models.host)}
        self.assertFalse(hosts[rebooting["host"]]["is_quarantined"])
        self.assertEqual("expected", bed.journal()[-1][3])
        (stored,) = bed.rows(models.fault)
        self.assertEqual([campaign_id], stored["campaign_ids"])

    def test_an_agent_can_tell_a_rerun_from_a_retry(self):
        """What it kept of the step counts for retries and its undo, no longer."""
        orders = []

        def program(order, times):
            orders.append(order)
            if order.host == "h000" and order.action == "install" and times < 3:
                return ("failed", ("transient", "permanent")[times - 1], "no")
            return None

        bed = self.bed(program)
        beds.start_campaign(bed, beds.rolling_plan(1))
        while not any(o.host == "h000" and o.action == "verify" for o in orders):
            bed.step()
        mine = [o for o in orders if o.host == "h000"]
        installs = [(o.attempt, o.rerun) for o in mine if o.action == "install"]
        self.assertEqual([(1, 0), (2, 0), (3, 1)], installs)
        first = next(o for o in mine if o.action == "disable")
        (undo,) = [o for o in mine if o.intent == "revert" and o.action == "enable"]
        self.assertEqual(first.record, undo.undo["record"])
        again = [o.record for o in mine if o.action == "disable"]
        self.assertEqual(2, len(set(again)))

    def test_how_far_a_step_has_come_is_kept_until_it_is_over(self):
        bed = self.bed(lambda order, times: ("silent", "", ""))
        beds.start_campaign(bed, beds.rolling_plan(1))
        while not self.in_flight(bed):
            bed.step()
        (row,) = self.in_flight(bed)
        order = types.SimpleNamespace(**row, step_id=row["id"])
        told = {"progress": {"done": 3, "total": 10, "unit": "batches"}}
        for outcome, result in (("running", told), ("running", {}), ("done", {})):
            report = beds._report(order, events.Outcome(outcome))
            bed.results.apply([dataclasses.replace(report, result=result)])
            stored = next(s for s in bed.rows(models.step) if s["id"] == row["id"])
            self.assertEqual({} if outcome == "done" else told, stored["result"])

    def in_flight(self, bed):
        return [
            row
            for row in bed.rows(models.step)
            if row["state"] in ("dispatched", "running", "verifying")
        ]

    def test_a_stuck_rollback_says_so_once_and_goes_on_without_the_lost(self):
        """R-2: budgets hold in a rollback too, until a person decides otherwise."""
        bed = self.bed()
        alone = tuple(plan.Budget(i, "all", max_down=1) for i in ("rack", "group"))
        made = beds.rolling_plan(parallel=1, budgets=alone)
        campaign_id = beds.start_campaign(bed, made)
        while len({h for h, _, a in bed.fleet.log if a == "enable"}) < 2:
            bed.step()
        idle = sorted(
            {row["name"] for row in bed.rows(models.host)}
            - {row["host"] for row in bed.rows(models.slot)}
        )
        self.die(bed, idle[0])
        for _ in range(200):
            bed.step()
        (campaign,) = bed.rows(models.campaign)
        self.assertEqual("rolling_back", campaign["state"])
        self.assertIn(f"held by {idle[0]}", campaign["state_reason"])
        told = [line for line in bed.rows(models.journal) if "stuck" in line["detail"]]
        self.assertEqual(1, len(told))
        steers = steering.Steering(bed.engine, bed.execution)
        with self.assertRaisesRegex(errors.InvalidInput, "only a lost host"):
            steers.act(campaign_id, "rollback", {"without": [idle[1]]}, "op", None)
        steers.act(campaign_id, "rollback", {"without": [idle[0]]}, "op", None)
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "failed"]))
        (campaign,) = bed.rows(models.campaign)
        self.assertIn(f"{idle[0]}: host.down", campaign["state_reason"])

    def test_failure_budget_holds_the_campaign_until_it_is_accepted(self):
        """E-2: one more quarantined host than allowed stops the campaign."""
        self.check_failure_budget("1", max_quarantined=1)

    def test_a_failure_budget_that_is_a_share(self):
        """E-2: 9 % of 12 hosts are one; those upgraded are not selected any more."""
        new = plan.Condition("facts.package.demo", ("2.0",))
        chosen = plan.Selector("computes", (), (new,))
        self.check_failure_budget(
            "1 (9%)", max_quarantined_percent=9.0, selectors=(chosen,)
        )

    def check_failure_budget(self, told, **limit):
        def program(order, times):
            if order.host in ("h001", "h003", "h005") and order.action == "install":
                return ("failed", "permanent", "planted")
            return None

        bed = self.bed(program)
        made = beds.rolling_plan(
            parallel=1,
            ladder=(plan.Rung("quarantine"),),
            on_fault=plan.FaultPolicy("hold"),
            budgets=tuple(plan.Budget(i, "all", max_down=6) for i in ("rack", "group")),
            **limit,
        )
        campaign_id = beds.start_campaign(bed, made)
        for lost in (2, 3):
            self.assertEqual("holding", bed.run_until(["holding", "committed"]))
            (campaign,) = bed.rows(models.campaign)
            reason = f"{lost} hosts are quarantined, failure_budget allows {told}:"
            self.assertIn(reason, campaign["state_reason"])
            self.upgrade_facts(bed)
            steers = steering.Steering(bed.engine, bed.execution)
            steers.act(campaign_id, "resume", {}, "op", None)
        self.assertEqual("committed", bed.run_until(["holding", "committed"]))
        states = collections.Counter(row["state"] for row in bed.rows(models.slot))
        self.assertEqual(3, states["quarantined"])

    def upgrade_facts(self, bed):
        """Let the inventory tell of those that are done."""
        done = [row["host"] for row in bed.rows(models.slot) if row["state"] == "done"]
        facts = {"package": {"demo": "2.0"}}
        with self.database.begin() as connection:
            connection.execute(
                models.host.update()
                .where(models.host.c.name.in_(done))
                .values(facts=facts)
            )

    def test_late_report_changes_nothing(self):
        """Rule 4: a stale fence is journalled as late, never applied."""
        bed = self.bed()
        beds.start_campaign(bed, beds.rolling_plan(parallel=1))
        bed.step()
        old = bed.reports[-1]
        bed.run_until(["committed"])
        before = bed.rows(models.step)
        bed.results.apply([old])
        self.assertEqual(before, bed.rows(models.step))
        self.assertEqual("late", bed.journal()[-1][3])
