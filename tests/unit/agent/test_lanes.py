"""The pool of an agent."""

import functools
import threading
import time
import unittest

from escalator.agent import lanes


class LanesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.pool = lanes.Lanes(4, "test")
        self.addCleanup(self.pool.close)

    def test_one_key_never_overlaps_and_keeps_its_order(self) -> None:
        order: list[int] = []
        running = threading.Lock()

        def work(number: int) -> None:
            if not running.acquire(blocking=False):
                order.append(-1)
                return
            time.sleep(0.001)
            order.append(number)
            running.release()

        for number in range(20):
            self.pool.submit("key", functools.partial(work, number))
        while len(order) < 20:
            time.sleep(0.001)
        self.assertEqual(list(range(20)), order)

    def test_a_waiting_key_occupies_no_thread(self) -> None:
        gate, is_done = threading.Event(), threading.Event()
        for _ in range(10):
            self.pool.submit("slow", lambda: gate.wait(10))
        self.pool.submit("other", is_done.set)
        self.assertTrue(is_done.wait(5))
        gate.set()

    def test_an_error_does_not_end_a_thread(self) -> None:
        is_done = threading.Event()
        with self.assertLogs("escalator.agent.lanes", "ERROR"):
            for _ in range(9):
                self.pool.submit("bad", lambda: 1 / 0)
            self.pool.submit("bad", is_done.set)
            self.assertTrue(is_done.wait(5))

    def test_close_begins_nothing_more_and_wait_sees_what_runs(self) -> None:
        gate, is_in, late = threading.Event(), threading.Event(), threading.Event()

        def work() -> None:
            is_in.set()
            gate.wait(10)

        self.pool.submit("a", work)
        is_in.wait(5)
        self.pool.close()
        self.pool.submit("b", late.set)
        self.assertFalse(self.pool.wait(0.01))
        gate.set()
        self.assertTrue(self.pool.wait(5))
        self.assertFalse(late.is_set())
