"""Who shares the hosts, and who judges which."""

import unittest
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from escalator.domain import events
from escalator.monitor import members, sharing


class MembersTest(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 0.0
        self.sent: list[events.AgentBeat] = []
        self.made = members.Members("m1", self.send, 0.5, 2.0, lambda: self.now)

    def send(self, beat: events.AgentBeat) -> bool:
        self.sent.append(beat)
        return True

    def hear(self, *names: str, interval_s: float = 0.5) -> None:
        for name in names:
            beat = events.AgentBeat(name, name, ("monitor",), {}, 0.0, interval_s)
            self.assertTrue(self.made.hear(beat))

    def live(self, seconds: float, *names: str) -> None:
        for _ in range(round(seconds / 0.5)):
            self.now += 0.5
            self.hear(*names)

    def test_it_listens_for_others_before_it_takes_a_host(self) -> None:
        self.hear("m1", "m2")
        self.assertEqual((), self.made.names())
        self.live(1.0, "m1", "m2")
        self.assertEqual(("m1", "m2"), self.made.names())
        self.assertEqual(("m2",), self.made.others())

    def test_without_a_broker_it_is_ready_all_the_same(self) -> None:
        self.now = 2.0
        self.made.review()
        self.assertEqual(("m1",), self.made.names())

    def test_who_falls_silent_is_expelled_and_told_once(self) -> None:
        self.live(2.0, "m1", "m2")
        told = self.made.generation
        self.live(2.0, "m1")
        self.assertEqual(("m1", "m2"), self.made.names())
        self.live(0.5, "m1")
        self.assertEqual(("m1",), self.made.names())
        self.assertEqual(told + 1, self.made.generation)

    def test_who_takes_leave_is_gone_at_once(self) -> None:
        self.live(2.0, "m1", "m2")
        self.hear("m2", interval_s=0.0)
        self.assertEqual(("m1",), self.made.names())
        self.made.stop()
        self.assertEqual(0.0, self.sent[-1].interval_s)

    def test_the_deaf_expel_nobody(self) -> None:
        self.live(2.0, "m1", "m2")
        self.now += 60.0
        self.made.review()
        self.assertEqual(("m1", "m2"), self.made.names())

    def test_an_agents_beat_is_none_of_its(self) -> None:
        beat = events.AgentBeat("a", "0", ("node",), {}, 0.0, 1.0)
        self.assertFalse(self.made.hear(beat))


class SharingTest(unittest.TestCase):
    @given(st.sets(st.sampled_from("vwxyz")))
    def test_each_host_has_one_first_and_one_second_monitor(
        self, names: set[str]
    ) -> None:
        told = tuple(sorted(names))
        hosts = {f"host-{n}": "10.0.0.1" for n in range(50)}
        parts = []
        for name in told:
            part = sharing.Sharing(SimpleNamespace(name=name, names=lambda: told))
            part.divide(hosts)
            parts.append(part)
        for host in hosts if told else ():
            self.assertEqual(1, sum(part.is_mine(host) for part in parts))
            watching = sum(host in part.watched for part in parts)
            self.assertEqual(min(2, len(told)), watching)

    def test_the_second_monitor_is_who_takes_over(self) -> None:
        hosts = {f"host-{n}" for n in range(200)}
        before = sharing.rank(hosts, ("a", "b", "c"))
        after = sharing.rank(hosts, ("a", "c"))
        moved = [host for host in hosts if before[host][0] == "b"]
        self.assertTrue(moved)
        for host in hosts:
            heir = before[host][1] if host in moved else before[host][0]
            self.assertEqual(heir, after[host][0])

    def test_alone_everything_is_ones_own(self) -> None:
        part = sharing.Sharing()
        self.assertEqual({"a%e": "1"}, part.divide({"a%e": "1"}))
        self.assertTrue(part.is_mine("a"))
