"""What the inspector's part of the second costs; figures go to the log.

The limits are far above what was measured: a machine that others use must
not fail the test, a list call on the hot path must.
"""

import logging
import os
import statistics
import tempfile
import time
import unittest
from collections.abc import Callable

from escalator.drivers.vim import simulated
from escalator.inspector import mapping, marking
from tests.functional.inspector import test_shared_vim as clouds

LOG = logging.getLogger(__name__)


def measure(call: Callable[[], object], rounds: int) -> list[float]:
    """Return the milliseconds of each round, sorted."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1000)
    return sorted(taken)


class TestCost(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        path = os.path.join(folder.name, "vim.sqlite")
        cls.vim = simulated.Simulated(path, clouds.cloud(500, 20, 40))
        cls.hosts = [each.name for each in cls.vim.list_hosts()]

    vim: simulated.Simulated
    hosts: list[str]

    def report(self, what: str, taken: list[float]) -> float:
        middle = statistics.median(taken)
        LOG.warning("%s: median %.2f ms, worst %.2f ms", what, middle, taken[-1])
        return middle

    def mark(self, count: int) -> float:
        made = marking.Marking(self.vim, 10.0)
        self.addCleanup(made.stop)
        chosen = self.hosts[:count]

        def down_and_up() -> None:
            self.assertEqual(set(chosen), made.mark(chosen, True))
            self.assertEqual(set(chosen), made.mark(chosen, False))

        taken = [each / 2 for each in measure(down_and_up, 20)]
        return self.report(f"mark_down of {count} of 500 hosts", taken)

    def test_one_host_is_marked_in_time(self) -> None:
        """DR-1, DR-2: T4 comes soon after T2."""
        self.assertLess(self.mark(1), 50)

    def test_500_hosts_are_marked_in_time(self) -> None:
        """DR-5: 500 hosts with 10,000 instances, within the marking deadline."""
        self.assertLess(self.mark(500), 300)

    def test_the_map_of_10000_instances(self) -> None:
        """DR-5: more than 1,000 instances; built beside the hot path."""
        made = mapping.Mapping(self.vim, 1.0)

        def refresh() -> None:
            made._changes = None
            made.refresh()

        self.assertLess(self.report("map of 10,000", measure(refresh, 10)), 1000)
        self.assertEqual(10_000, sum(map(len, made.where.values())))

    def test_an_unchanged_vim_costs_next_to_nothing(self) -> None:
        made = mapping.Mapping(self.vim, 1.0)
        made.refresh()
        self.assertLess(self.report("unchanged map", measure(made.refresh, 100)), 10)
