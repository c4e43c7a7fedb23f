"""The simulated fleet."""

import dataclasses
import threading
import time
import unittest

from escalator import errors
from escalator.drivers import fleet
from tests.fixtures import orders


class FleetTest(unittest.TestCase):
    def setUp(self) -> None:
        self.fleet = fleet.Fleet(seed=3)
        self.order = orders.make_order()

    def failure(self) -> str:
        with self.assertRaises(errors.ActionFailed) as caught:
            self.fleet.spend(self.order)
        return caught.exception.failure_class

    def test_every_change_is_counted_and_a_repeat_is_none(self) -> None:
        self.assertTrue(self.fleet.change(self.order, {"a": "2"}))
        again = dataclasses.replace(self.order, attempt=2)
        self.assertFalse(self.fleet.change(again, {"a": "2"}))
        key = ("node-1", "package.install", self.order.step_id)
        self.assertEqual({key: 1}, self.fleet.effect_counts())
        self.fleet.change(again, {"a": "3"})
        self.assertEqual({key: 2}, self.fleet.effect_counts())

    def test_a_failure_program_ends(self) -> None:
        self.fleet.fail("package.install", "node-1", times=2, failure_class="permanent")
        self.fleet.spend(orders.make_order(host="node-2"))
        self.fleet.spend(orders.make_order(action="package.verify"))
        self.assertEqual(["permanent"] * 2, [self.failure(), self.failure()])
        self.fleet.spend(self.order)

    def test_a_failure_may_come_after_the_effect(self) -> None:
        self.fleet.fail("package.install", "node-1", is_after_effect=True)
        self.fleet.spend(self.order)
        with self.assertRaises(errors.ActionFailed):
            self.fleet.change(self.order, {"a": "2"})
        self.assertEqual({"a": "2"}, self.fleet.packages("node-1"))

    def test_latency_is_seeded(self) -> None:
        twin = fleet.Fleet(seed=3)
        for each in (self.fleet, twin):
            each.set_latency(fleet.ANY, 1.0, 2.0)
        self.assertEqual(self.fleet._latency(self.order), twin._latency(self.order))
        other = fleet.Fleet(seed=4)
        other.set_latency(fleet.ANY, 1.0, 2.0)
        self.assertNotEqual(self.fleet._latency(self.order), other._latency(self.order))

    def test_latency_beyond_the_timeout_is_one(self) -> None:
        self.fleet.set_latency("package.install", 9.0, 9.0)
        self.order = dataclasses.replace(self.order, timeout_s=0.01)
        self.assertEqual("timeout", self.failure())

    def test_what_runs_on_a_dead_host_stands_still_until_it_is_back(self) -> None:
        self.fleet.kill("node-1")
        self.assertFalse(self.fleet.is_alive("node-1"))
        is_done = threading.Event()

        def spend() -> None:
            self.fleet.spend(self.order)
            is_done.set()

        work = threading.Thread(target=spend)
        work.start()
        self.assertFalse(is_done.wait(0.02))
        self.fleet.revive("node-1")
        self.assertTrue(is_done.wait(5))
        work.join()

    def test_a_host_that_stays_dead_times_out(self) -> None:
        self.fleet.kill("node-1")
        self.order = dataclasses.replace(self.order, timeout_s=0.01)
        begun = time.monotonic()
        self.assertEqual("timeout", self.failure())
        self.assertLess(time.monotonic() - begun, 5)

    def test_a_process_has_one_fleet(self) -> None:
        self.assertIs(fleet.fleet(), fleet.fleet())
