"""Who is expected down, and what if nobody can tell."""

import threading
import time
import unittest

from escalator.monitor import windows


class WindowsTest(unittest.TestCase):
    def test_only_hosts_that_a_campaign_holds_are_asked_about(self) -> None:
        asked: list[str] = []

        def read(host: str) -> float:
            asked.append(host)
            return 5.0

        made = windows.Windows(lambda host: host == "b", read)
        self.assertEqual({"b": 5.0}, made.find_ends(["a", "b", "c"]))
        self.assertEqual(["b"], asked)

    def test_a_conductor_that_hangs_delays_all_of_them_once(self) -> None:
        never = threading.Event()
        self.addCleanup(never.set)
        made = windows.Windows(lambda _: True, lambda _: never.wait(30.0) or 9.0)
        began = time.monotonic()
        self.assertEqual({}, made.find_ends(["a", "b", "c"]))
        self.assertLess(time.monotonic() - began, 3 * windows.LIMIT_S)
