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


class TestGuard(unittest.TestCase):
    """The same limits, counted from slots that are about to be committed."""

    STEP = plan.Step("s", "action", "a", "node", {}, 1.0, 5.0, "probe", True)

    def made(self, *limits):
        ids = tuple(each.id for each in limits)
        procedures = tuple(
            plan.Procedure(name, level, (), "all", "rolling", 9, used, (self.STEP,), ())
            for name, level, used in (("low", 10, ids), ("high", 20, ()))
        )
        fault = plan.FaultPolicy()
        return plan.Plan("one", "", "smooth", {}, (), limits, procedures, fault)

    def broken(self, budget, fresh="ab", out="ab", procedure="low", **lost):
        targets = [
            plan.Target(name, rack="r1", tags=("x", name), **lost.get(name, {}))
            for name in "abcd"
        ]
        slots = [invariants.Out(name, procedure, ("g",)) for name in out]
        return invariants.check_out(fresh, slots, self.made(budget), targets)

    def test_every_kind_of_key_is_counted(self):
        for scope, fact in (
            ("all", ""),
            ("fact", "rack"),
            ("fact", "tag"),
            ("server_group", ""),
        ):
            one = plan.Budget("b", scope, fact, max_down=1)
            with self.subTest(scope=scope, fact=fact):
                (found,) = self.broken(one)
                self.assertIn("guard.budget: budget b", found)
                self.assertEqual([], self.broken(one, "a", "a"))
                two = plan.Budget("b", scope, fact, max_down=2)
                self.assertEqual([], self.broken(two))

    def test_percentages_and_quorums(self):
        half = plan.Budget("b", "fact", "rack", max_percent=50)
        self.assertEqual([], self.broken(half))
        self.assertTrue(self.broken(half, "abc", "abc"))
        quorum = plan.Budget("b", "fact", "rack", kind=plan.Kind.QUORUM)
        self.assertEqual([], self.broken(quorum, "a", "a"))
        self.assertTrue(self.broken(quorum))

    def test_who_is_lost_counts_but_does_not_offend(self):
        one = plan.Budget("b", "fact", "rack", max_down=1)
        self.assertTrue(self.broken(one, "a", "a", c={"is_up": False}))
        self.assertEqual([], self.broken(one, "a", "a", a={"is_quarantined": True}))

    def test_who_was_out_before_does_not_offend(self):
        one = plan.Budget("b", "fact", "rack", max_down=1)
        self.assertEqual([], self.broken(one, "", "ab"))

    def test_a_procedure_without_the_budget_does_not_count(self):
        one = plan.Budget("b", "fact", "rack", max_down=1)
        self.assertEqual([], self.broken(one, procedure="high"))

    def test_each_owner_has_a_limit_of_its_own(self):
        """Who was there when the host went out; the limit is what it is now."""
        limits = plan.Budget("owners", "owner")
        targets = [plan.Target("a"), plan.Target("b", declared=(("shop", 2),))]
        targets += [plan.Target("c", declared=(("shop", 2), ("bank", 1)))]

        def judge(*names):
            out = [
                invariants.Out(name, "low", declared=(("shop", 1),)) for name in names
            ]
            return invariants.check_out(names[-1], out, self.made(limits), targets)

        self.assertEqual([], judge("a", "b"))
        (found,) = judge("a", "b", "c")
        self.assertIn("guard.budget: budget owners shop: 3 of 2 out", found)

    def test_only_drains_that_are_not_over_count_as_migrations(self):
        moves = plan.Budget("moves", "all", max_down=1, kind=plan.Kind.MIGRATIONS)
        targets = [plan.Target("a"), plan.Target("b"), plan.Target("c", is_up=False)]

        def judge(*are_draining):
            pairs = zip("ab", are_draining, strict=True)
            out = [
                invariants.Out(name, "low", is_draining=is_so) for name, is_so in pairs
            ]
            return invariants.check_out("b", out, self.made(moves), targets)

        self.assertEqual([], judge(False, True), "and a dead host drains nothing")
        self.assertEqual([], judge(True, False))
        (found,) = judge(True, True)
        self.assertIn("guard.budget: budget moves all: 2 of 1 out", found)

    def test_levels(self):
        made = self.made()
        for state, is_left in (("done", True), ("failed", True), ("reverted", False)):
            counts = {"high": {state: 1}, "low": {"done": 3}}
            found = invariants.check_levels({"low"}, counts, made)
            self.assertEqual(is_left, bool(found), state)
            self.assertEqual([], invariants.check_levels({"high"}, counts, made))

    def test_hosts(self):
        sound = {"is_listed": True, "is_quarantined": False, "campaign_id": "c"}
        self.assertEqual("", invariants.check_host("h", sound, "c"))
        self.assertEqual(
            "", invariants.check_host("h", {**sound, "campaign_id": None}, "c")
        )
        for standing, code in (
            (None, "guard.removed"),
            ({**sound, "is_listed": False}, "guard.removed"),
            ({**sound, "is_quarantined": True}, "guard.quarantined"),
            ({**sound, "campaign_id": "d"}, "guard.campaigns"),
        ):
            self.assertIn(code, invariants.check_host("h", standing, "c"))
