"""What a hold stops: the whole campaign, or one procedure of it (P-4c, E-0, E-4)."""

import unittest

from escalator.domain import holding, plan, reason
from tests.fixtures import engine as beds

WHY = "h1: install failed (lost): gone"


def procedure(name, level=10, after=(), method="rolling"):
    return plan.Procedure(
        name, level, after, "all", method, 1, (), (beds.step("s", "s"),), ()
    )


class ScopeTest(unittest.TestCase):
    def test_what_the_file_says_counts(self):
        for attempt in ("hold", "page", "rollback"):
            for scope in ("procedure", "campaign"):
                found = holding.scope_of(plan.Rung(attempt, scope=scope))
                self.assertEqual(scope, found, attempt)

    def test_not_said_a_rollback_is_of_the_procedure_and_a_hold_of_the_campaign(self):
        for attempt, scope in (
            ("rollback", "procedure"),
            ("hold", "campaign"),
            ("page", "campaign"),
        ):
            self.assertEqual(scope, holding.scope_of(plan.Rung(attempt)), attempt)

    def test_in_doubt_the_hold_that_answers_decides(self):
        one = plan.Rung("page", scope="procedure")
        for ladder, scope in (
            ((plan.Rung("retry"), one), "procedure"),
            ((plan.Rung("hold"), one), "campaign"),
            ((plan.Rung("hold", ("hung",)), one), "procedure"),
            ((plan.Rung("rollback", scope="procedure"),), "campaign"),
            ((), "campaign"),
            (None, "campaign"),
        ):
            self.assertEqual(scope, holding.scope_in_doubt(ladder, "lost"), ladder)

    def test_a_fault_concerns_who_is_at_work_there(self):
        for do, scope, busy, at_rest, expected in (
            ("hold", "campaign", {"a"}, {"a"}, ("campaign", "")),
            ("hold", "procedure", {"a"}, {"a", "b"}, ("procedure", "a")),
            ("hold", "procedure", {"a", "b"}, {"a", "b"}, ("campaign", "")),
            ("hold", "procedure", (), {"a"}, ("procedure", "a")),
            ("hold", "procedure", (), {"a", "b"}, ("campaign", "")),
            ("rollback", "procedure", {"a"}, {"a"}, ("procedure", "a")),
            ("rollback", "procedure", (), {"a"}, ("campaign", "")),
        ):
            policy = plan.FaultPolicy(do, scope)
            found = holding.of_fault(policy, busy, at_rest)
            self.assertEqual(expected, found, (policy, busy, at_rest))


class TextTest(unittest.TestCase):
    def test_only_what_the_engine_closed_holds(self):
        closed = [
            {"procedure": "one"},
            {"rack": "r1"},
            {"procedure": "two", "reason": WHY},
        ]
        self.assertEqual({"two": WHY}, holding.reasons(closed))

    def test_what_is_told_has_a_code(self):
        """E-0: also of a procedure within a sub-plan."""
        told = holding.told("site/hosts", WHY)
        self.assertEqual("W171", reason.find(told).code)
        self.assertIn(WHY, told)
        self.assertEqual(
            "only held procedures are left: a: x; b: y",
            holding.left({"b": "y", "a": "x"}),
        )


class OrderTest(unittest.TestCase):
    def test_who_comes_after_a_held_one(self):
        """P-4b: by level, by an edge, or by an edge to one that has an edge."""
        made = [
            procedure("held"),
            procedure("beside"),
            procedure("next", after=("held",)),
            procedure("second", after=("next",)),
            procedure("later", level=20),
        ]
        found = holding.awaited(made, {"held"})
        self.assertEqual({"next", "second", "later"}, set(found))
        self.assertEqual({"waits: an earlier procedure holds: held"}, {*found.values()})
        self.assertEqual("W172", reason.find(found["next"]).code)
        self.assertEqual({}, holding.awaited(made, ()))

    def test_when_nothing_else_is_left(self):
        made = [procedure("a"), procedure("b"), procedure("c", level=20)]
        for done, held, is_left in (
            ((), {"a"}, False),
            (("b",), {"a"}, True),
            ((), {"a", "b"}, True),
            (("a", "b"), {"c"}, True),
            (("a", "b", "c"), (), False),
        ):
            found = holding.are_left(made, done, held)
            self.assertIs(is_left, found, (done, held))

    def test_a_single_step_and_all_others_wait_for_each_other(self):
        """P-1: as long as targets of one of them are out."""
        made = [procedure("whole", method="single_step"), procedure("other")]
        for held in ("whole", "other"):
            self.assertFalse(holding.are_left(made, (), {held}))
            self.assertTrue(holding.are_left(made, (), {held}, {held}))
