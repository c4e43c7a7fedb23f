"""The example's contract test; ``tests/unit/house`` runs it."""

# begin
import unittest

from driver_example import Enable

from escalator.drivers import kit
from tests.fixtures import orders
from tests.unit.drivers import contract_action


class FakeJobs:
    """Knows one unit."""

    def __init__(self):
        self.is_enabled, self.changes = False, 0

    def run(self, order, name, argv, timeout_s):
        if "enable" in argv:
            self.is_enabled, self.changes = True, self.changes + 1
        return kit.JobResult(0 if self.is_enabled else 1, "")


class EnableTest(unittest.TestCase, contract_action.ActionContract):
    def setUp(self):
        self.jobs = FakeJobs()

    def make_action(self):
        return Enable({"jobs": self.jobs})

    def make_order(self):
        return orders.make_order(action="unit.enable", params={"unit": "web.service"})

    def count_changes(self):
        return self.jobs.changes


# end
