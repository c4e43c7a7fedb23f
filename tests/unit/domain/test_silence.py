"""Silence of agents, and the monitor's own deafness."""

import unittest

from escalator.domain import silence


class SilenceTest(unittest.TestCase):
    def setUp(self) -> None:
        self.silence = silence.Silence(missed=5)

    def beat(self, until: float, *hosts: str, start: float = 0.0) -> None:
        at = start
        while at <= until:
            for host in hosts:
                self.silence.beat(host, "0", 1.0, at)
            at += 1.0

    def judge(self, *covered: str) -> list[str]:
        return [agent.host for agent in self.silence.judge(covered)]

    def test_an_agent_is_silent_after_so_many_missed_beats_once(self) -> None:
        self.beat(3.0, "a", "b")
        self.beat(7.0, "b", start=4.0)
        self.assertEqual([], self.judge())
        self.beat(8.0, "b", start=8.0)
        self.assertEqual(["a"], self.judge())
        self.assertEqual([], self.judge())

    def test_it_is_back_with_its_next_beat(self) -> None:
        self.beat(0.0, "a")
        self.beat(9.0, "b")
        self.judge()
        self.assertEqual(("0",), self.silence.beat("a", "0", 1.0, 10.0))
        self.assertEqual((), self.silence.beat("a", "0", 1.0, 11.0))

    def test_a_deaf_monitor_accuses_nobody(self) -> None:
        """A broker that was away a minute is no fault of any agent."""
        self.beat(3.0, "a", "b", "c")
        self.beat(60.0, "a", start=60.0)
        self.assertEqual([], self.judge())
        self.beat(63.0, "a", "b", start=61.0)
        self.assertEqual([], self.judge())
        self.beat(65.0, "a", "b", start=64.0)
        self.assertEqual(["c"], self.judge())

    def test_answers_over_the_same_bus_prove_the_ear(self) -> None:
        """So the only agent of a cloud can be found silent as well."""
        self.beat(0.0, "a")
        for at in range(1, 6):
            self.assertEqual([], self.judge())
            self.silence.prove(float(at))
        self.assertEqual(["a"], self.judge())

    def test_silence_on_a_host_that_is_down_is_no_news(self) -> None:
        self.beat(0.0, "a")
        for at in range(1, 20):
            self.beat(float(at), "b", start=float(at))
            self.assertEqual([], self.judge("a"))
        self.beat(25.0, "b", start=20.0)
        self.assertEqual(["a"], self.judge())

    def test_an_agent_heard_by_an_older_monitor_is_expected(self) -> None:
        self.silence.expect("a", 1.0, 0.0)
        self.silence.expect("b", 1.0, 0.0)
        self.beat(6.0, "b")
        self.assertEqual(["a"], self.judge())
        self.assertEqual((silence.UNKNOWN,), self.silence.beat("a", "0", 1.0, 7.0))

    def test_an_adopted_silence_ends_with_a_beat_and_is_no_news(self) -> None:
        self.silence.adopt("a", "0", 1.0, 0.0)
        self.beat(9.0, "b")
        self.assertEqual([], self.judge())
        self.assertEqual(("0",), self.silence.beat("a", "0", 1.0, 10.0))
