"""A storm: whom to believe, and when to suspect oneself."""

import unittest
from collections.abc import Mapping, Sequence

from escalator import errors
from escalator.domain import events, silence
from escalator.monitor import detection, doubt, lateness

HOSTS = ["a", "b", "c"]


class DoubtTest(unittest.TestCase):
    def setUp(self) -> None:
        self.events: list[events.Event] = []
        self.detection = detection.Detection(self, lateness.Lateness(0.05))
        self.views: dict[str, Mapping[str, bool]] = {}
        self.away: set[str] = set()

    def put(self, event: events.Event) -> None:
        self.events.append(event)

    def make(self, is_trusting: bool = False) -> doubt.Doubt:
        return doubt.Doubt(
            self.detection,
            "m1",
            lambda: sorted({*self.views, *self.away}),
            self.ask,
            is_trusting,
        )

    def ask(self, name: str, hosts: Sequence[str]) -> Mapping[str, bool]:
        if name in self.away:
            raise errors.CallTimeout(method="look", target=name, timeout_s=0.5)
        return self.views[name]

    def told(self) -> list[str]:
        found = (events.FaultConfirmed, events.FaultCleared)
        return [e.faults[0].fault_type for e in self.events if isinstance(e, found)]

    def test_what_another_vantage_sees_dead_too_is_believed(self) -> None:
        self.views = {"m2": dict.fromkeys(HOSTS, True)}
        self.assertEqual(set(HOSTS), self.make().believe(HOSTS))
        self.assertEqual([], self.told())

    def test_what_it_sees_alive_is_our_own_fault_and_told_once(self) -> None:
        self.views = {"m2": {"a": False, "b": False, "c": True}}
        made = self.make()
        for _ in range(2):
            self.assertEqual({"c"}, made.believe(HOSTS))
        self.assertEqual(["monitor.isolated"], self.told())
        (fault,) = self.events[0].faults  # type: ignore[union-attr]
        self.assertEqual(("m1", "major"), (fault.host, fault.severity))
        self.assertEqual(
            {"hosts": 2, "seen_alive": 2, "vantage": ["m2"]}, fault.evidence
        )
        made.calm()
        made.calm()
        self.assertEqual(["monitor.isolated"] * 2, self.told())
        self.assertIsInstance(self.events[1], events.FaultCleared)

    def test_two_who_disagree_are_not_believed(self) -> None:
        self.views = {"m2": {"a": True}, "m3": {"a": False}}
        self.assertEqual(set(), self.make().believe(["a"]))

    def test_alone_the_agents_silence_is_the_second_opinion(self) -> None:
        self.away = {"m2"}
        made = self.make()
        self.assertEqual(set(), made.believe(HOSTS))
        gone = silence.Silent("b", "0", since=1.0, interval_s=1.0)
        self.detection.agents_silent([gone], at=9.0, offset=0.0)
        self.assertEqual({"b"}, made.believe(HOSTS))

    def test_an_operator_may_trust_one_monitor_alone(self) -> None:
        self.assertEqual(set(HOSTS), self.make(is_trusting=True).believe(HOSTS))
        self.views = {"m2": {"a": False}}
        self.assertEqual({"b", "c"}, self.make(is_trusting=True).believe(HOSTS))

    def test_the_asked_one_waits_a_moment_until_it_agrees(self) -> None:
        looks = iter([{"a": False}, {"a": True}])
        self.assertEqual({"a": True}, doubt.look(lambda _: next(looks), ["a"]))
        self.assertEqual({"a": False}, doubt.look(lambda _: {"a": False}, ["a"], 0.05))
