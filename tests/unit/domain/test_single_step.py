"""All at once or none, and nothing else meanwhile (P-1)."""

import unittest

from escalator.domain import budget, plan, single_step
from tests.fixtures import campaigns

FLEET = campaigns.fleet(4)


def _procedure(name: str, method: str, *budgets: str) -> plan.Procedure:
    return plan.Procedure(name, 0, (), "s", method, 1, budgets, (), ())


class DecideTest(unittest.TestCase):
    def decide(
        self,
        *budgets: str,
        lame: str = "",
        under_way: tuple[str, ...] = (),
        most: int = 3,
    ) -> tuple[set[str], budget.Ledger]:
        limit = plan.Budget("fleet", "all", max_down=most)
        ledger = budget.Ledger([limit], FLEET, ())
        waiting = [
            (target, "waits: the host is down" if target.name == lame else "")
            for target in FLEET
        ]
        step = _procedure("whole", "single_step", *budgets)
        found = single_step.decide(step, waiting, under_way, ledger)
        self.assertEqual(FLEET, [target for target, _ in found])
        return {reason for _, reason in found}, ledger

    def test_all_begin_and_hold_their_tokens(self) -> None:
        reasons, ledger = self.decide("fleet", most=4)
        self.assertEqual({""}, reasons)
        self.assertEqual(1, len(ledger.refusals(plan.Target("new"), ["fleet"])))

    def test_one_that_cannot_keeps_all(self) -> None:
        reasons, _ = self.decide(lame="compute-03")
        own = "waits: the host is down"
        self.assertEqual(
            {own, f"{single_step.WHOLE}; compute-03 {own}"},
            reasons,
        )

    def test_a_budget_without_room_for_all_keeps_all_and_nothing_is_taken(
        self,
    ) -> None:
        reasons, ledger = self.decide("fleet")
        (reason,) = reasons
        self.assertIn("compute-04 waits: budget fleet all 3/3", reason)
        for target in FLEET[:3]:
            self.assertEqual((), ledger.refusals(target, ["fleet"]))
            ledger.take(target, ["fleet"])

    def test_another_procedure_under_way_keeps_all(self) -> None:
        (reason,) = self.decide(under_way=("b", "a"))[0]
        self.assertEqual(f"{single_step.WHOLE}; a, b is under way", reason)


class ShutOutTest(unittest.TestCase):
    def test_only_a_single_step_under_way_shuts_out(self) -> None:
        procedures = [_procedure("a", "rolling"), _procedure("b", "single_step")]
        self.assertEqual("", single_step.shut_out(procedures, {"a"}))
        self.assertIn("single step b", single_step.shut_out(procedures, {"a", "b"}))
