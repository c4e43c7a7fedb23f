"""Stages and their gates (P-4d, E-1)."""

import dataclasses
import unittest

import hypothesis
from hypothesis import strategies as st

from escalator.domain import plan, reading, simulation, stages
from escalator.domain.plan import Opening, Stage
from escalator.domain.stages import Gate
from escalator.domain.states import GATE_MOVES, GateState, SlotState
from tests.fixtures import engine as beds

CANARY = Stage("canary", take=2)
RAMP = Stage("ramp", take_percent=25.0, gate=Opening.WAIT, wait_s=60.0)
DONE, BUSY, LOST = SlotState.DONE, SlotState.ACTIVE, SlotState.QUARANTINED


def staged(*chosen, parallel=100, budgets=()):
    made = beds.rolling_plan(parallel, budgets=tuple(budgets))
    procedure = dataclasses.replace(
        made.procedures[0], stages=chosen, budgets=tuple(e.id for e in budgets)
    )
    return dataclasses.replace(made, procedures=(procedure,))


def gate(state=GateState.CLOSED, take=2, **more):
    return Gate("g", state, take, **more)


class StandingTest(unittest.TestCase):
    def standing(self, gates, members):
        (procedure,) = staged(CANARY, RAMP).procedures
        return stages.standing(procedure, gates, members, 20)

    def test_one_stage_after_the_other(self):
        opened = gate(GateState.OPEN)
        for gates, members, wanted in (
            ({}, {}, ("canary", 2)),
            ({"canary": gate()}, {"canary": 1}, ("canary", 1)),
            ({"canary": gate()}, {"canary": 2}, ("canary", 0)),
            ({"canary": opened}, {"canary": 2}, ("ramp", 5)),
            ({"canary": opened, "ramp": opened}, {}, ("", None)),
        ):
            found = self.standing(gates, members)
            self.assertEqual(wanted, (found.stage, found.room))

    def test_what_is_counted_once_stays(self):
        """Hosts that join later do not make a stage larger while it runs."""
        found = self.standing({"canary": gate(take=1)}, {"canary": 1})
        self.assertEqual(0, found.room)

    def test_every_wait_has_its_reason(self):
        for now, reason in (
            (gate(), "its stage is not done"),
            (gate(GateState.SOAKING, opens_at=0.0), "opens at 1970-01-01 00:00:00 UTC"),
            (
                gate(GateState.WAITING, reason="a; an operator has to approve"),
                "approve",
            ),
        ):
            found = self.standing({"canary": now}, {"canary": 2}).reason
            self.assertTrue(found.startswith("waits: gate computes/canary"), found)
            self.assertIn(reason, found)


class JudgeTest(unittest.TestCase):
    def judge(self, stage, slots, known=None, waiting=5, now=100.0):
        return stages.judge(stage, known or gate(), slots, waiting, now)

    def test_closed_until_all_of_the_stage_are_done(self):
        for slots in ([], [("a", DONE)], [("a", DONE), ("b", BUSY)]):
            self.assertEqual(gate(), self.judge(CANARY, slots))

    def test_auto_opens(self):
        found = self.judge(CANARY, [("a", DONE), ("b", DONE)])
        self.assertIs(GateState.OPEN, found.state)

    def test_nobody_opens_over_a_lost_host(self):
        for stage in (CANARY, RAMP):
            found = self.judge(stage, [("a", DONE), ("b", LOST)])
            self.assertIs(GateState.WAITING, found.state)
            self.assertIn("b quarantined", found.reason)

    def test_a_wait_is_a_deadline_and_not_set_anew(self):
        both = [("a", DONE), ("b", DONE)]
        soaking = self.judge(RAMP, both)
        self.assertEqual((GateState.SOAKING, 160.0), (soaking.state, soaking.opens_at))
        self.assertEqual(soaking, self.judge(RAMP, both, soaking, now=159.0))
        opened = self.judge(RAMP, both, soaking, now=160.0)
        self.assertIs(GateState.OPEN, opened.state)
        lost = self.judge(RAMP, [("a", DONE), ("b", LOST)], soaking, now=161.0)
        self.assertIs(GateState.WAITING, lost.state)

    def test_approve_asks(self):
        asks = dataclasses.replace(CANARY, gate=Opening.APPROVE)
        found = self.judge(asks, [("a", DONE), ("b", DONE)])
        self.assertIs(GateState.WAITING, found.state)
        self.assertEqual(found, self.judge(asks, [("a", DONE), ("b", DONE)], found))

    def test_with_nobody_behind_it_no_gate_is_asked(self):
        asks = dataclasses.replace(CANARY, gate=Opening.APPROVE)
        self.assertEqual(
            gate(), self.judge(asks, [("a", DONE), ("b", DONE)], waiting=0)
        )

    @hypothesis.given(
        st.sampled_from((CANARY, RAMP, dataclasses.replace(CANARY, gate="approve"))),
        st.sampled_from(GateState),
        st.lists(st.tuples(st.text("ab", max_size=1), st.sampled_from(SlotState))),
        st.integers(0, 2),
        st.floats(0, 200),
    )
    def test_every_move_is_legal(self, stage, state, slots, waiting, now):
        before = gate(state, opens_at=50.0 if state is GateState.SOAKING else None)
        after = self.judge(stage, slots, before, waiting, now)
        self.assertTrue(after.state is state or after.state in GATE_MOVES[state])


class ReadingTest(unittest.TestCase):
    def test_every_gate_of_the_file(self):
        for body, wanted in (
            ({"take": 3}, Stage("s", take=3)),
            ({"take": "5%", "gate": "auto"}, Stage("s", take_percent=5.0)),
            ({"take": 1, "gate": "approve"}, Stage("s", gate=Opening.APPROVE)),
            (
                {"take": 1, "gate": {"wait": "10m"}},
                Stage("s", gate=Opening.WAIT, wait_s=600.0),
            ),
        ):
            self.assertEqual(wanted, reading.read_stage({"id": "s", **body}))


class SimulationTest(unittest.TestCase):
    def test_canary_ramp_rest(self):
        hosts = [plan.Target(f"h{at}", role="compute") for at in range(8)]
        made = staged(Stage("canary"), RAMP)
        found = simulation.simulate(made, hosts, lambda p, t: 10.0)
        starts = [each.start_s for each in found.visits]
        self.assertEqual([0.0, 10.0, 10.0, *[80.0] * 5], starts)
        self.assertEqual(
            [("computes/canary", 10.0), ("computes/ramp", 80.0)],
            [(each.gate, each.at_s) for each in found.gates],
        )

    def test_no_gate_behind_the_last(self):
        hosts = [plan.Target(name, role="compute") for name in "ab"]
        found = simulation.simulate(staged(CANARY), hosts, lambda p, t: 10.0)
        self.assertEqual((10.0, ()), (found.end_s, found.gates))

    @hypothesis.given(
        st.integers(0, 12),
        st.lists(st.tuples(st.integers(1, 5), st.floats(0, 50)), max_size=3),
        st.integers(1, 4),
        st.randoms(use_true_random=False),
    )
    @hypothesis.settings(deadline=None, max_examples=100)
    def test_nobody_of_a_stage_begins_before_the_one_before_is_over(
        self, count, drawn, parallel, chance
    ):
        hosts = [plan.Target(f"h{at:02d}", role="compute") for at in range(count)]
        chosen = [
            Stage(f"s{at}", take=take, gate=Opening.WAIT, wait_s=wait)
            for at, (take, wait) in enumerate(drawn)
        ]
        made = staged(*chosen, parallel=parallel)
        took = {each.name: chance.uniform(1, 100) for each in hosts}
        found = simulation.simulate(made, hosts, lambda p, t: took[t.name])
        self.assertEqual(count, len(found.visits))
        first = 0
        for stage in chosen:
            mine = found.visits[first : first + stage.take]
            first += stage.take
            for other in found.visits[first:]:
                end = max(each.end_s for each in mine)
                self.assertGreaterEqual(other.start_s, end + stage.wait_s)
