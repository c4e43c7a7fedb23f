"""What is drift, and what an operator may change (P-4a, E-0)."""

import unittest

from escalator.domain import plan, revision
from tests.fixtures import engine as beds

HOSTS = {f"h{n}" for n in range(20)}


def diff(joined: str = "", left: str = "") -> dict[str, list[str]]:
    return {"joined": joined.split(), "left": left.split()}


class TestDrift(unittest.TestCase):
    def told(
        self,
        policy: plan.DriftPolicy,
        *diffs: dict[str, list[str]],
        present: set[str],
    ) -> str:
        return revision.awaits(policy, diffs, HOSTS, present)

    def test_the_limit_is_a_number_or_a_share_of_what_was_approved(self) -> None:
        one = plan.DriftPolicy(approve_above=1)
        share = plan.DriftPolicy(approve_percent=10.0)  # two of twenty
        joined, two = diff("a"), diff("a b")
        for policy, change, hosts, is_asked in (
            (one, joined, {"a"}, False),
            (one, two, {"a", "b"}, True),
            (share, two, {"a", "b"}, False),
            (share, diff("a b c"), {"a", "b", "c"}, True),
            (plan.DriftPolicy(), diff("a b c"), {"a", "b", "c"}, False),
            (plan.DriftPolicy(0), joined, {"a"}, True),
        ):
            with self.subTest(policy=policy, hosts=hosts):
                told = self.told(policy, change, present=HOSTS | hosts)
                self.assertEqual(is_asked, bool(told), told)

    def test_joined_and_left_add_up_until_they_are_approved(self) -> None:
        told = self.told(
            plan.DriftPolicy(1),
            diff("a"),
            diff("", "h1"),
            present=HOSTS - {"h1"} | {"a"},
        )
        self.assertIn("1 hosts joined and 1 left", told)

    def test_who_came_back_or_went_again_is_no_drift(self) -> None:
        diffs = (diff("a", "h1"), diff("h1", "a"))
        self.assertEqual("", self.told(plan.DriftPolicy(0), *diffs, present=HOSTS))

    def test_what_operators_take_out_is_no_drift(self) -> None:
        left_out = HOSTS - {"h1", "h2", "h3"}
        self.assertEqual("", self.told(plan.DriftPolicy(0), present=left_out))


class TestChange(unittest.TestCase):
    def setUp(self) -> None:
        self.made = beds.rolling_plan()

    def rules(self, **values: object) -> list[tuple[str, str]]:
        change = revision.Change(**{"parallel": {}, "budgets": {}, **values})
        return [(f.rule, f.pointer) for f in revision.find(self.made, change)]

    def test_every_rule_with_its_place(self) -> None:
        root = "/action/arguments"
        for values, rule, place in (
            ({"budgets": {"rack": 0}}, "C701", f"{root}/budgets/rack"),
            ({"budgets": {"rack": "0%"}}, "C701", f"{root}/budgets/rack"),
            ({"budgets": {"row": 1}}, "C402", f"{root}/budgets/row"),
            ({"parallel": {"computes": -1}}, "C502", f"{root}/parallel/computes"),
            ({"parallel": {"stores": 1}}, "C402", f"{root}/parallel/stores"),
            ({"max_quarantined": -1}, "C202", f"{root}/max_quarantined"),
        ):
            with self.subTest(values=values):
                self.assertEqual([(rule, place)], self.rules(**values))
        self.assertEqual([], self.rules(budgets={"rack": 1}, exclude=["any"]))

    def test_only_what_was_named_changes(self) -> None:
        change = revision.Change({"computes": "50%"}, {"rack": 3}, ("old",))
        made = revision.apply(self.made, change)
        rack, group = made.budgets
        self.assertEqual((3, 0.0), (rack.max_down, rack.max_percent))
        self.assertEqual(self.made.budgets[1], group)
        self.assertEqual(50.0, made.procedure("computes").parallel_percent)
        self.assertIn(
            plan.Condition("tag", ("old",)), made.selector("computes").exclude
        )
        self.assertEqual(made, revision.apply(made, change))
        self.assertEqual(
            ["parallel computes: 4 -> 50%", "budget rack: 2 -> 3", "exclude tag old"],
            revision.differences(self.made, change),
        )
        self.assertIsNone(made.max_quarantined)
        back = revision.apply(made, revision.Change({"computes": 4}, {"rack": "10%"}))
        self.assertEqual(0.0, back.procedure("computes").parallel_percent)
        self.assertEqual(10.0, back.budgets[0].max_percent)

    def test_the_failure_budget_changes_by_itself(self) -> None:
        """E-2: from no limit to none allowed, and back up."""
        none = revision.Change({}, {}, max_quarantined=0)
        made = revision.apply(self.made, none)
        self.assertEqual(0, made.max_quarantined)
        self.assertEqual(
            ["max_quarantined: no limit -> 0"], revision.differences(self.made, none)
        )
        more = revision.Change({}, {}, max_quarantined=3)
        self.assertEqual(3, revision.apply(made, more).max_quarantined)
        self.assertEqual(["max_quarantined: 0 -> 3"], revision.differences(made, more))
        self.assertEqual(made, revision.apply(made, revision.Change({}, {})))
        share = revision.Change({}, {}, max_quarantined="2.5%")
        self.assertEqual(
            ["max_quarantined: 0 -> 2.5%"], revision.differences(made, share)
        )
        made = revision.apply(made, share)
        self.assertEqual(
            (None, 2.5), (made.max_quarantined, made.max_quarantined_percent)
        )
        self.assertEqual(
            ["max_quarantined: 2.5% -> 3"], revision.differences(made, more)
        )
        self.assertIsNone(revision.apply(made, more).max_quarantined_percent)
