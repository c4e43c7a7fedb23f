import time
import unittest

from escalator.drivers.base import Demand, Solver
from escalator.drivers.solver import greedy
from tests.unit.drivers import contract_solver


class GreedyContractTest(contract_solver.SolverContract):
    def make(self) -> Solver:
        return greedy.Greedy()


class GreedyTest(unittest.TestCase):
    def _solve(self, *lengths: int, concurrent: int = 2, until: int = 99) -> list[int]:
        demands = [Demand(f"d{n}", m, (f"h{n}",)) for n, m in enumerate(lengths)]
        solver = greedy.Greedy()
        return list(solver.solve(demands, (0, until), [], concurrent).values())

    def test_as_early_as_possible(self) -> None:
        """CM-2: optimised, not merely somewhere in the window."""
        self.assertEqual([0, 0, 10, 10, 20], self._solve(10, 10, 10, 10, 10))

    def test_another_order_is_tried_if_the_given_one_does_not_fit(self) -> None:
        self.assertEqual([0, 10, 0], self._solve(10, 10, 20, until=20))

    def test_the_plan_that_ends_first_wins(self) -> None:
        starts = self._solve(10, 10, 20)
        self.assertEqual(
            20, max(s + m for s, m in zip(starts, (10, 10, 20), strict=True))
        )

    def test_gaps_between_other_work_are_used(self) -> None:
        taken = [("h", 0, 10), ("h", 18, 30), ("h", 5, 12)]
        found = greedy.Greedy().solve([Demand("d", 6, ("h",))], (0, 60), taken, 1)
        self.assertEqual({"d": 12}, found)

    def test_thousands_of_targets_in_seconds(self) -> None:
        demands = [Demand(f"d{n}", 30, (f"h{n}",)) for n in range(5000)]
        taken = [(f"h{n}", 0, 480) for n in range(0, 5000, 7)]
        start = time.process_time()
        found = greedy.Greedy().solve(demands, (0, 10_080), taken, 20)
        self.assertLess(time.process_time() - start, 5)
        self.assertEqual(5000 // 20 * 30, max(found.values()) + 30)
