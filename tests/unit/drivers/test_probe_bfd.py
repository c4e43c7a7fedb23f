"""What the probe bfd reads; see also the functional test with real BIRD."""

import unittest

from escalator.drivers.probe import bfd

SESSIONS = """1020-bfd1:
 IP address                Interface  State      Since         Interval  Timeout
 10.88.0.2                 a          Up         11:50:34.061    0.050    0.150
 10.88.1.2                 b          Down       11:50:34.062    0.300    0.000
 fe80::2                   c          Up         11:50:34.062    0.050    0.150
0000 
"""  # noqa: W291


class ReadTest(unittest.TestCase):
    def test_only_sessions_that_are_up_count(self) -> None:
        self.assertEqual(["10.88.0.2", "fe80::2"], bfd.read_up(SESSIONS))

    def test_without_bird_nobody_answers(self) -> None:
        probe = bfd.Bfd("/nonexistent/bird.ctl")
        probe.set_targets({"a": "10.88.0.2"})
        probe.send()
        self.assertEqual([], probe.receive(0.0))
