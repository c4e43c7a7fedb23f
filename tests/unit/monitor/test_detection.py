"""Facts made of verdicts: batches, identity, order."""

import unittest

from escalator.domain import events, silence
from escalator.monitor import detection, lateness

DOWN = events.FaultType.HOST_DOWN


class DetectionTest(unittest.TestCase):
    def setUp(self) -> None:
        self.outbox: list[events.Event] = []
        self.detection = detection.Detection(self, lateness.Lateness(0.05))

    def put(self, event: events.Event) -> None:
        self.outbox.append(event)

    def failed(self, *hosts: str, at: float = 10.0) -> None:
        self.detection.found(
            detection.Finding(DOWN, host, at - 0.3, at, {}) for host in hosts
        )

    def returned(self, *hosts: str, at: float = 20.0) -> None:
        self.detection.over([(DOWN, host) for host in hosts], at)

    def test_only_watched_types_are_raised(self) -> None:
        """DR-4."""
        late = lateness.Lateness(0.05)
        watched = {"link.down"}
        self.detection = detection.Detection(self, late, watched=watched)
        self.failed("a")
        self.assertEqual([], self.outbox)
        link = events.FaultType.LINK_DOWN
        self.detection.found([detection.Finding(link, "a", 1.0, 2.0, {})])
        self.assertEqual(1, len(self.outbox))

    def test_the_faults_of_anothers_hosts_are_left_to_it(self) -> None:
        self.failed("a", "b")
        theirs = events.Fault("id-9", "c", DOWN, "critical", {})
        self.detection.adopt([theirs], lambda fault: fault.host != "b")
        self.assertEqual({"a", "c"}, self.detection.hosts_down())

    def test_a_round_is_one_event(self) -> None:
        self.failed("a", "b", "c")
        (event,) = self.outbox
        assert isinstance(event, events.FaultConfirmed)
        self.assertEqual(["a", "b", "c"], [fault.host for fault in event.faults])
        fault = event.faults[0]
        self.assertEqual({"T0": 9.7, "T1": 10.0}, fault.times)
        self.assertEqual(("host.down", "critical"), (fault.fault_type, fault.severity))
        self.assertEqual(3, len({fault.id for fault in event.faults}))
        self.assertEqual({"a", "b", "c"}, self.detection.hosts_down())

    def test_a_clearing_keeps_the_faults_id(self) -> None:
        self.failed("a", "b")
        self.returned("b")
        raised, cleared = self.outbox
        assert isinstance(raised, events.FaultConfirmed)
        assert isinstance(cleared, events.FaultCleared)
        self.assertEqual(raised.faults[1:], cleared.faults)
        self.assertEqual(20.0, cleared.cleared_at)
        self.assertEqual({"a"}, self.detection.hosts_down())

    def test_a_repeat_is_no_news_and_neither_is_an_unknown_return(self) -> None:
        self.failed("a")
        self.failed("a", at=11.0)
        self.returned("x")
        self.assertEqual(1, len(self.outbox))

    def test_the_next_episode_gets_a_new_id(self) -> None:
        self.failed("a")
        self.returned("a")
        self.failed("a", at=30.0)
        first, _, second = self.outbox
        assert isinstance(first, events.FaultConfirmed)
        assert isinstance(second, events.FaultConfirmed)
        self.assertNotEqual(first.faults[0].id, second.faults[0].id)

    def test_a_fault_of_an_earlier_monitor_is_taken_over(self) -> None:
        """A kill -9 neither repeats a fault nor leaves it raised for ever."""
        old = events.Fault("id-1", "a", "host.down", "critical", {"T0": 1.0})
        self.detection.adopt([old])
        self.assertEqual({"a"}, self.detection.hosts_down())
        self.failed("a")
        self.assertEqual([], self.outbox)
        self.returned("a")
        (cleared,) = self.outbox
        assert isinstance(cleared, events.FaultCleared)
        self.assertEqual((old,), cleared.faults)

    def test_silent_agents_are_faults_of_their_own(self) -> None:
        self.failed("a")
        silent = silence.Silent("a", "0", since=3.0, interval_s=1.0)
        self.detection.agents_silent([silent], at=108.0, offset=100.0)
        _, event = self.outbox
        assert isinstance(event, events.FaultConfirmed)
        (fault,) = event.faults
        self.assertEqual(("agent.silent", "major"), (fault.fault_type, fault.severity))
        self.assertEqual({"T0": 103.0, "T1": 108.0}, fault.times)
        self.detection.agents_back("a", ["0", "1"], at=120.0)
        cleared = self.outbox[-1]
        assert isinstance(cleared, events.FaultCleared)
        self.assertEqual((fault,), cleared.faults)
        self.assertEqual({"a"}, self.detection.hosts_down())


class LatenessTest(unittest.TestCase):
    def test_lateness_is_kept_and_complained_about(self) -> None:
        now = [0.0]
        late = lateness.Lateness(0.05, lambda: now[0])
        late.add([0.001] * 98 + [0.06, 0.2])
        summary = late.summary()
        self.assertEqual(
            {"ticks": 100, "p50_ms": 1.0, "p99_ms": 200.0, "max_ms": 200.0}, summary
        )
        now[0] = 61.0
        with self.assertLogs("escalator.monitor.lateness", "WARNING"):
            late.add([0.0])
