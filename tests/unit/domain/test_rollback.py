"""Undo from the journal, in reverse (R-2), and limits from the journal (V-2)."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from escalator.domain import invariants, plan, rollback
from escalator.domain.rollback import Line


class TestSteps(unittest.TestCase):
    @given(st.integers(1, 8), st.data())
    def test_every_plan_and_every_failing_step(self, count, data):
        """The undo is the exact mirror of what may have acted."""
        failing = data.draw(st.integers(0, count - 1))
        undoable = data.draw(st.sets(st.sampled_from([f"s{n}" for n in range(count)])))
        lines, seq = [], 0
        for number in range(failing + 1):
            for to in ("dispatched", "failed" if number == failing else "done"):
                seq += 1
                lines.append(Line(seq, "slot", f"s{number}", to))
        lines = data.draw(st.permutations(lines))
        wanted = [f"s{n}" for n in reversed(range(failing + 1)) if f"s{n}" in undoable]
        self.assertEqual(wanted, rollback.steps_to_undo(lines, undoable))

    def test_what_is_reverted_is_not_undone_twice(self):
        lines = [
            Line(1, "slot", "a", "done"),
            Line(2, "slot", "b", "done"),
            Line(3, "slot", "b", "reverted"),
        ]
        self.assertEqual(["a"], rollback.steps_to_undo(lines, {"a", "b"}))

    def test_a_step_that_was_never_ordered_has_nothing_to_undo(self):
        lines = [Line(1, "slot", "a", "ready"), Line(2, "slot", "b", "superseded")]
        self.assertEqual([], rollback.steps_to_undo(lines, {"a", "b"}))


class TestSlots(unittest.TestCase):
    def test_last_worked_on_first_and_higher_levels_before(self):
        lines = [
            Line(1, "x", "1", "done"),
            Line(9, "y", "2", "done"),
            Line(5, "z", "3", "done"),
        ]
        order = rollback.slots_to_undo(
            lines, {"low": 10, "high": 20}, {"x": "low", "y": "low", "z": "high"}
        )
        self.assertEqual(["z", "y", "x"], order)


class TestOrder(unittest.TestCase):
    def test_levels_and_edges_hold_in_reverse(self):
        """P-4b: directly or not, and only while there is something to undo."""
        plans = [
            _procedure("low", level=1),
            _procedure("a"),
            _procedure("b", after=("a",)),
            _procedure("c", after=("b",)),
            _procedure("beside"),
        ]
        everything = {each.id for each in plans}
        self.assertEqual(
            {"low": "a", "a": "b", "b": "c"}, rollback.held_back(plans, everything)
        )
        self.assertEqual(
            {"low": "c", "a": "c", "b": "c"}, rollback.held_back(plans, {"c", "low"})
        )
        self.assertEqual({}, rollback.held_back(plans, {"low"}))


def _procedure(name, level=2, after=()):
    return plan.Procedure(name, level, after, "s", "rolling", 1, (), (), ())


class TestInvariants(unittest.TestCase):
    BUDGETS = (plan.Budget("rack", "fact", "rack", max_down=1),)
    FACTS = {name: plan.Target(name, rack="r1") for name in ("a", "b", "c")}

    def check(self, *lines):
        entries = [
            invariants.Entry(seq, host, kind, to)
            for seq, (host, kind, to) in enumerate(lines)
        ]
        return invariants.check_journal(entries, self.BUDGETS, self.FACTS)

    def test_too_many_out_is_found(self):
        found = self.check(("a", "slot", "active"), ("b", "slot", "active"))
        self.assertEqual(1, len(found))
        self.assertIn("2 of 1", found[0].text())

    def test_one_after_the_other_is_fine(self):
        self.assertEqual(
            [],
            self.check(
                ("a", "slot", "active"), ("a", "slot", "done"), ("b", "slot", "active")
            ),
        )

    def test_nothing_may_be_added_to_a_fault(self):
        """A fault may exceed the limit; the next admission may not."""
        fault = ("c", "fault", "unexpected")
        self.assertEqual([], self.check(("a", "slot", "active"), fault))
        found = self.check(("a", "slot", "active"), fault, ("b", "slot", "active"))
        self.assertEqual(["budget rack"], [each.rule for each in found])
