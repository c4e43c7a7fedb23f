"""Limits of several campaigns: the strictest holds for all (CM-5, P-4b)."""

import dataclasses
import unittest

from escalator.domain import budget, invariants, plan, sharing
from tests.fixtures import engine as beds

RACK = plan.Budget("rack", "fact", "rack", max_down=1)
MOVES = plan.Budget("moves", "all", max_down=2, kind=plan.Kind.MIGRATIONS)
LANES = plan.Budget("lanes", "all", max_down=1, kind=plan.Kind.PARALLEL)


def others(*limits, out=()):
    made = beds.rolling_plan(budgets=limits)
    return sharing.Others(sharing.limits_of("c2", made), tuple(out))


class LimitTest(unittest.TestCase):
    def procedure(self, action):
        steps = (plan.Step("s", "action", action, "node", {}, 1.0, 5.0, "probe", True),)
        return beds.rolling_plan(steps=steps).procedures[0]

    def test_theirs_are_named_and_their_parallelism_is_their_own(self):
        found = others(RACK, LANES).budgets
        self.assertEqual(["rack of campaign c2"], [each.id for each in found])

    def test_who_does_not_drain_waits_for_no_drain(self):
        theirs = others(RACK, MOVES)
        plain = theirs.limit(self.procedure("package.install"))
        self.assertEqual("rack of campaign c2", plain.budgets[-1])
        draining = theirs.limit(self.procedure("vim.drain"))
        self.assertEqual("moves of campaign c2", draining.budgets[-1])

    def test_a_plan_is_joined_and_its_own_limits_stay(self):
        mine = beds.rolling_plan()
        joint = others(RACK).join(mine)
        self.assertEqual(mine.budgets, joint.budgets[:-1])
        self.assertEqual(
            (*mine.procedures[0].budgets, "rack of campaign c2"),
            joint.procedures[0].budgets,
        )


class HoldsTest(unittest.TestCase):
    TARGETS = {"a": plan.Target("a", rack="r1"), "b": plan.Target("b", rack="r2")}

    def holds(self, *limits, **out):
        found = sharing.holds(limits, [invariants.Out(**out)], self.TARGETS)
        return [(each.budget, each.key) for each in found]

    def test_what_was_on_it_counts_on_after_it_was_drained(self):
        groups = plan.Budget("group", "server_group")
        held = self.holds(RACK, groups, host="a", procedure="", server_groups=("g",))
        self.assertEqual([("rack", "r1"), ("group", "g")], held)

    def test_a_drain_that_is_over_is_none(self):
        self.assertEqual([], self.holds(MOVES, host="a", procedure=""))
        held = self.holds(MOVES, host="a", procedure="", is_draining=True)
        self.assertEqual([("moves", budget.EVERYTHING)], held)

    def test_nothing_is_held_of_a_lane_or_by_who_left(self):
        self.assertEqual([], self.holds(LANES, host="a", procedure=""))
        self.assertEqual([], self.holds(RACK, host="gone", procedure=""))


class GuardTest(unittest.TestCase):
    """The guard counts what others have out, and knows their limits."""

    def check(self, limit, *out, **lost):
        targets = [
            plan.Target(name, rack="r1", is_up=name not in lost) for name in "abc"
        ]
        made = beds.rolling_plan(budgets=(limit,))
        first = made.procedures[0]
        mine = dataclasses.replace(first, budgets=(limit.id,))
        made = dataclasses.replace(made, procedures=(mine,))
        return invariants.check_out("a", out, made, targets)

    MINE = invariants.Out("a", "computes", is_draining=True)

    def test_another_campaigns_host_counts(self):
        self.assertEqual([], self.check(RACK, self.MINE))
        theirs = invariants.Out("b", "", is_draining=True)
        (found,) = self.check(RACK, self.MINE, theirs)
        self.assertIn("budget rack r1: 2 of 1 out", found)
        one = dataclasses.replace(MOVES, max_down=1)
        self.assertTrue(self.check(one, self.MINE, theirs))

    def test_the_dead_are_in_no_lane_and_others_have_their_own(self):
        self.assertEqual([], self.check(LANES, self.MINE, b=True))
        theirs = invariants.Out("b", "")
        self.assertEqual([], self.check(LANES, self.MINE, theirs))
