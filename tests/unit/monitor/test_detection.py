"""Facts made of verdicts: batches, identity, order."""

import unittest

from escalator.domain import events, silence
from escalator.monitor import detection, lateness

DOWN = events.FaultType.HOST_DOWN


class Case(unittest.TestCase):
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


class DetectionTest(Case):
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


class CorroborationTest(Case):
    """DR-4: further probes find what is open, and somebody waits for them."""

    def setUp(self) -> None:
        super().setUp()
        self.detection.most_probes = 3

    def find(self, *probes: str, at: float = 10.0, hosts: str = "a") -> None:
        """Let these probes agree on hosts; confirm those that are not open yet."""
        found = [
            detection.Finding(DOWN, host, at, at, {"probes": list(probes)})
            for host in hosts
        ]
        self.detection.corroborate(found, at)
        self.detection.found(found)

    def test_a_round_is_one_event_about_the_same_faults(self) -> None:
        self.find("icmp", hosts="ab")
        self.find("icmp", "tcp", hosts="abc", at=12.0)
        raised, grown, third = self.outbox
        assert isinstance(raised, events.FaultConfirmed)
        assert isinstance(grown, events.FaultCorroborated)
        assert isinstance(third, events.FaultConfirmed)
        self.assertEqual(12.0, grown.corroborated_at)
        for old, new in zip(raised.faults, grown.faults, strict=True):
            self.assertEqual((old.id, old.times), (new.id, new.times))
            self.assertEqual(["icmp", "tcp"], new.evidence["probes"])
            self.assertEqual(1, grown.before[new.id])

    def test_each_number_is_told_once(self) -> None:
        for probes in ("i", "it", "i", "it", "bit", "t", "bit"):
            self.find(*probes)
        grown = [e for e in self.outbox if isinstance(e, events.FaultCorroborated)]
        counts = [(*e.before.values(), e.faults[0].probes) for e in grown]
        self.assertEqual([(1, 2), (2, 3)], counts)

    def test_a_fault_is_cleared_with_what_was_told_of_it(self) -> None:
        """DR-10: only who heard of the beginning hears of the end."""
        self.find("icmp")
        self.find("icmp", "tcp")
        self.detection.most_probes = 2
        self.find("bfd", "icmp", "tcp")
        self.returned("a")
        cleared = self.outbox[-1]
        assert isinstance(cleared, events.FaultCleared)
        self.assertEqual(["icmp", "tcp"], cleared.faults[0].evidence["probes"])

    def test_nothing_is_published_for_nobody(self) -> None:
        for most in (1, 2):
            with self.subTest(most=most):
                self.outbox.clear()
                self.detection.most_probes = most
                host = str(most)
                self.find(*"it"[:most], hosts=host)
                self.find("b", "i", "t", hosts=host)
                self.assertEqual(1, len(self.outbox))

    def test_who_waits_since_later_hears_of_the_next_probe(self) -> None:
        self.detection.most_probes = 1
        self.find("i")
        self.find("i", "t")
        self.detection.most_probes = 3
        self.find("b", "i", "t")
        grown = self.outbox[-1]
        assert isinstance(grown, events.FaultCorroborated)
        self.assertEqual([1], list(grown.before.values()))

    def test_what_an_earlier_monitor_told_is_not_repeated(self) -> None:
        evidence = {"probes": ["i", "t"]}
        old = events.Fault("id-1", "a", DOWN, "critical", {"T1": 1.0}, evidence)
        self.detection.adopt([old])
        self.find("i", "t")
        self.assertEqual([], self.outbox)
        self.find("b", "i", "t")
        (grown,) = self.outbox
        assert isinstance(grown, events.FaultCorroborated)
        self.assertEqual({"id-1": 2}, grown.before)

    def test_what_ended_meanwhile_is_not_told(self) -> None:
        self.find("i")
        self.returned("a")
        found = detection.Finding(DOWN, "a", 1.0, 1.0, {"probes": ["i", "t"]})
        self.detection.corroborate([found], 30.0)
        self.assertIsInstance(self.outbox[-1], events.FaultCleared)


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
