"""Figures of this very machine (V-6)."""

import unittest

from escalator.drivers import base
from escalator.drivers.collector import statistics
from tests.unit.drivers import contract_collector


class HostStatisticsTest(contract_collector.CollectorContract, unittest.TestCase):
    def make_collector(self) -> base.Collector:
        return statistics.HostStatistics({})

    def test_shares_are_percentages(self) -> None:
        told = self.make_collector().collect(10.0)
        shares = [value for name, value in told.items() if name.endswith("_percent")]
        self.assertEqual(3, len(shares))
        self.assertTrue(all(0 <= share <= 100 for share in shares), told)
        self.assertLess(0, told["memory_used_percent"])
