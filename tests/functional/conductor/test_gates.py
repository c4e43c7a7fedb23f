"""Stages and gates in the engine, on a real database (P-4d, E-1)."""

import dataclasses
import pathlib
import tempfile

import sqlalchemy as sa

from escalator import errors
from escalator.conductor import explaining
from escalator.db import models, store
from escalator.domain import plan
from tests.fixtures import crash, folding
from tests.fixtures import engine as beds
from tests.functional.conductor import test_engine

LEAST_COMMITS, STRIDE = 26, 6
"""Three hosts of six steps and two gates; every so many-th place is tried."""

CANARY = plan.Stage("canary", take=2, gate=plan.Opening.APPROVE)
RAMP = plan.Stage("ramp", take=2)


def staged(*stages, **changes):
    made = beds.rolling_plan(8, **changes)
    (procedure,) = made.procedures
    procedure = dataclasses.replace(procedure, stages=stages)
    return dataclasses.replace(made, procedures=(procedure,))


class Case(test_engine.Case):
    hosts = 8

    def begin(self, *stages, program=None, **changes):
        self.bed_ = self.bed(program)
        self.campaign = beds.start_campaign(self.bed_, staged(*stages, **changes))
        return self.bed_

    def work(self, rounds=40):
        """Work until nothing moves."""
        idle = 0
        for _ in range(rounds):
            idle = 0 if self.bed_.step() else idle + 1
            if idle > 3:
                return
        raise AssertionError("it never comes to rest")

    def begun(self):
        return sorted(row["host"] for row in self.bed_.rows(models.slot))

    def gates(self):
        rows = self.bed_.rows(models.gate)
        return {row["stage"]: row["state"] for row in rows}

    def state_reason(self):
        (row,) = self.bed_.rows(models.campaign)
        return row["state_reason"]

    def act(self, action, key=None, **arguments):
        self.bed_.steers.act(self.campaign, action, arguments, "alice", key)

    def explained(self):
        explains = explaining.Explaining(
            self.bed_.engine, self.bed_.execution.admission
        )
        return explains.explain(self.campaign)

    def waits(self):
        return {each["host"]: each["reason"] for each in self.explained()}

    def of_gates(self):
        """Return (code, procedure, state) of what is said of the campaign itself."""
        return [
            (each["code"], each["procedure"], each["state"])
            for each in self.explained()
            if not each["host"] and each["state"] != "refused"
        ]


class TestPreflight(Case):
    """V-5: at each stage the system has to be fit for it."""

    def begin_sick(self, gate):
        bed = self.begin(plan.Stage("canary", take=2, gate=gate))
        while len(self.begun()) < 2:
            bed.step()
        self.mark("h007", "down")
        self.work()
        return bed

    def mark(self, host, state):
        with self.bed_.database.begin() as connection:
            table = models.host
            query = sa.update(table).where(table.c.name == host).values(state=state)
            connection.execute(query)

    def test_a_gate_does_not_open_by_itself_to_a_sick_system(self):
        self.begin_sick(plan.Opening.AUTO)
        self.assertEqual({"canary": "waiting"}, self.gates())
        self.assertIn("preflight refused: h007", self.state_reason())
        self.assertEqual(2, len(self.begun()))
        self.assertEqual([("W147", "computes", "running")], self.of_gates())
        refused = [e["code"] for e in self.explained() if e["state"] == "refused"]
        self.assertEqual(["health.down"], refused)

    def test_nor_by_an_approval(self):
        self.begin_sick(plan.Opening.APPROVE)
        self.act("approve")
        self.work()
        self.assertEqual({"canary": "waiting"}, self.gates())
        self.assertIn("preflight refused: h007", self.state_reason())
        self.mark("h007", "up")
        self.act("approve")
        self.work()
        self.assertEqual({"canary": "open"}, self.gates())
        self.assertEqual(8, len(self.begun()))


class TestApprove(Case):
    def test_nobody_passes_before_an_operator_says_so(self):
        bed = self.begin(CANARY)
        self.work()
        self.assertEqual(2, len(self.begun()))
        self.assertEqual({"canary": "waiting"}, self.gates())
        reason = (
            "waits: gate computes/canary: its stage is done; an operator has to approve"
        )
        self.assertEqual(reason, self.state_reason())
        self.assertEqual({reason}, set(self.waits().values()))
        self.assertEqual([("W118", "computes", "running")], self.of_gates())
        self.assertIn(reason, [each.reason for each in bed.news])
        self.act("approve", key="k")
        self.act("approve", key="k")
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertEqual(self.names, self.begun())
        self.assertEqual([], folding.unfolded(bed))
        self.assertEqual([], self.broken)
        spoken = [each["sender"] for each in bed.rows(models.signal)]
        self.assertEqual(["alice"], spoken)

    def test_what_is_shown(self):
        self.begin(CANARY)
        self.work()
        shown = store.Store(self.database).read("campaign", id=self.campaign)
        (gate,) = shown[0]["gates"]
        self.assertEqual(
            ("computes", "canary", "waiting", 2, None),
            tuple(gate[n] for n in ("procedure", "stage", "state", "take", "opens_at")),
        )

    def test_refusals_say_why(self):
        self.begin(CANARY, RAMP)
        with self.assertRaisesRegex(errors.Conflict, "No gate waits"):
            self.act("approve")
        self.bed_.step()
        with self.assertRaisesRegex(errors.InvalidInput, "none of: computes/canary"):
            self.act("approve", gate="computes/ramp")
        with self.assertRaisesRegex(errors.Conflict, "canary is closed"):
            self.act("approve", gate="computes/canary")
        self.work()
        self.act("approve", gate="computes/canary", reason="looks good")
        self.assertIn("looks good", self.state_reason())
        with self.assertRaisesRegex(errors.Conflict, "canary is open"):
            self.act("approve", gate="computes/canary")

    def test_a_paused_campaign_waits_in_spite_of_the_approval(self):
        self.begin(CANARY)
        self.work()
        self.act("pause")
        self.work()
        self.assertEqual([("W155", "", "paused")], self.of_gates())
        self.act("approve")
        self.work()
        self.assertEqual(2, len(self.begun()))
        self.act("resume")
        self.assertEqual("committed", self.bed_.run_until(["committed"]))


class TestAuto(Case):
    def test_canary_ramp_rest(self):
        bed = self.begin(plan.Stage("canary", take=1), RAMP)
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertEqual({"canary": "open", "ramp": "open"}, self.gates())
        stages = [row["stage"] for row in bed.rows(models.slot)]
        self.assertEqual((1, 2, 5), tuple(map(stages.count, ("canary", "ramp", ""))))
        moves = self.moves(bed)
        for earlier, later in (("canary", "ramp"), ("ramp", "")):
            ends = max(
                seq for stage, to, seq in moves if (stage, to) == (earlier, "done")
            )
            starts = min(
                s for stage, to, s in moves if (stage, to) == (later, "active")
            )
            self.assertLess(ends, starts)
        self.assertEqual([], folding.unfolded(bed))

    def moves(self, bed):
        stages = {row["id"]: row["stage"] for row in bed.rows(models.slot)}
        return [
            (stages[line["object_id"]], line["to_state"], line["seq"])
            for line in bed.rows(models.journal)
            if line["object_type"] == "slot"
        ]

    def test_a_quarantined_canary_keeps_the_gate_shut(self):
        def program(order, times):
            if order.action == "install" and order.host == lost[0]:
                return "failed", "permanent", "no"
            return None

        lost = ["h000"]
        ladder = (plan.Rung("quarantine"),)
        stage = plan.Stage("canary", take=2)
        self.begin(stage, program=program, ladder=ladder)
        self.bed_.step()
        lost[0] = self.begun()[0]
        self.work()
        self.assertEqual(2, len(self.begun()))
        self.assertIn(f"{lost[0]} quarantined", self.state_reason())
        self.act("approve")
        self.work()
        self.assertEqual(7, len(self.begun()), "its neighbour's group has lost one")

    def test_a_stage_that_takes_all_asks_nobody(self):
        bed = self.begin(dataclasses.replace(CANARY, take=8))
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))

    def test_a_wait_ends_by_the_clock_of_the_database(self):
        stage = plan.Stage("canary", take=2, gate=plan.Opening.WAIT, wait_s=3600.0)
        bed = self.begin(stage)
        self.work()
        self.assertEqual({"canary": "soaking"}, self.gates())
        self.assertIn("opens at", self.state_reason())
        self.assertEqual([("W120", "computes", "running")], self.of_gates())
        with self.database.begin() as connection:
            now = self.database.now(connection)
            connection.execute(models.gate.update().values(opens_at=now - 1))
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))

    def test_a_rollback_closes_the_gates_again(self):
        failing = {"on": True}

        def program(order, times):
            if failing["on"] and order.action == "install" and len(self.begun()) > 2:
                return "failed", "permanent", "no"
            return None

        ladder = (plan.Rung("rollback", scope="procedure"),)
        bed = self.begin(plan.Stage("canary", take=2), program=program, ladder=ladder)
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "holding"]))
        self.assertEqual({}, self.gates())
        closed = [
            line["detail"]
            for line in bed.rows(models.journal)
            if line["object_type"] == "gate"
        ]
        self.assertEqual("rolled back", closed[-1])

    def test_a_procedure_that_runs_again_goes_through_its_stages_again(self):
        failing = {"on": True}

        def program(order, times):
            is_late = order.action == "install" and times == 2
            if failing["on"] and is_late and len(self.begun()) > 8 + 2:
                return "failed", "permanent", "no"
            return None

        made = staged(
            plan.Stage("canary", take=2), ladder=(plan.Rung("rollback"),), budgets=()
        )
        (second,) = made.procedures
        second = dataclasses.replace(second, budgets=())
        first = dataclasses.replace(second, id="first", level=5, stages=())
        made = dataclasses.replace(made, procedures=(first, second))
        bed = self.bed_ = self.bed(program)
        self.broken = None
        bed.watch = lambda: None
        self.campaign = beds.start_campaign(bed, made)
        self.assertEqual("holding", bed.run_until(["holding", "committed"]))
        self.assertEqual({}, self.gates())
        failing["on"] = False
        self.act("resume")
        bed.step()
        again = [
            row["stage"]
            for row in bed.rows(models.slot)
            if (row["procedure"], row["state"]) == ("computes", "active")
        ]
        self.assertEqual(["canary"] * 2, again)
        self.assertEqual("committed", bed.run_until(["holding", "committed"]))
        self.assertEqual({"canary": "open"}, self.gates())
        stages = [r["stage"] for r in bed.rows(models.slot) if r["stage"]]
        self.assertEqual(["canary"] * 2, stages)
        self.assertEqual([], folding.unfolded(bed))


class TestKilled(Case):
    def fresh(self, folder, name):
        own = pathlib.Path(folder, name)
        own.mkdir()
        database = beds.database(f"sqlite:///{own / 'engine.sqlite'}")
        self.addCleanup(database.dispose)
        beds.add_hosts(database, 3)
        bed = beds.EngineBed(database, beds.FakeFleet())
        wait = plan.Stage("canary", gate=plan.Opening.WAIT, wait_s=0.05)
        beds.start_campaign(bed, staged(wait, plan.Stage("ramp")))
        return bed, own

    def test_killed_while_gates_move(self):
        """Each stage is counted once, and nobody passes a gate that is shut."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for place in (crash.BEFORE_COMMIT, crash.AFTER_COMMIT):
            for left in range(1, LEAST_COMMITS, STRIDE):
                with self.subTest(place=place, left=left):
                    bed, own = self.fresh(folder.name, f"{place} {left}")
                    fuse = crash.Fuse(place, left)
                    self.assertIsNone(crash.run(own, "first", fuse, set()))
                    crash.run(own, "second", crash.Fuse(), set())
                    self.check(bed)

    def check(self, bed):
        self.assertEqual("committed", bed.state())
        self.assertEqual([], folding.unfolded(bed))
        states = {row["stage"]: row["state"] for row in bed.rows(models.gate)}
        self.assertEqual({"canary": "open", "ramp": "open"}, states)
        lines = sorted(bed.rows(models.journal), key=lambda each: each["seq"])
        passed = [
            each["name"] or each["to_state"]
            for each in lines
            if (each["object_type"], each["to_state"])
            in (("gate", "open"), ("slot", "active"), ("slot", "done"))
        ]
        one = ["active", "done"]
        self.assertEqual([*one, "computes/canary", *one, "computes/ramp", *one], passed)

    def test_another_conductor_takes_over_at_the_gate(self):
        """What stands in the rows is all there is: the wait is not begun anew."""
        stage = plan.Stage("canary", take=2, gate=plan.Opening.WAIT, wait_s=3600.0)
        first = self.begin(stage)
        self.work()
        (before,) = first.rows(models.gate)
        self.bed_ = beds.EngineBed(self.database, first.fleet, "conductor-2")
        self.bed_.watch = lambda: None
        self.work()
        self.assertEqual([before], self.bed_.rows(models.gate))
        self.act("approve", gate="computes/canary")
        self.assertEqual("committed", self.bed_.run_until(["committed", "holding"]))
        done = [action for _, _, action in first.fleet.log if action == "install"]
        self.assertEqual(8, len(done))
