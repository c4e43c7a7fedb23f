"""What is told at once, what is weighed first, and what is never told."""

import threading
import time
import unittest
from collections.abc import Sequence

from escalator.domain import events, panel
from escalator.monitor import detection, lateness, report, weighing, windows

Facts = events.FaultConfirmed | events.FaultCleared | events.FaultCorroborated
SETTLE_S = 0.1
AGAIN_S = 0.3
A1, A2 = "a%eth1", "a%eth2"


def failure(name: str, is_storm: bool = False) -> report.Failure:
    return report.Failure(name, time.time(), 3, 1, True, is_storm)


class Peers:
    """A doubt whose answer the test sets."""

    def __init__(self) -> None:
        self.believed: set[str] = set()
        self.asked: list[list[str]] = []
        self.is_calm = False

    def believe(self, hosts: Sequence[str]) -> frozenset[str]:
        self.asked.append(sorted(hosts))
        return frozenset(hosts) & self.believed

    def calm(self) -> None:
        self.is_calm = True


class Case(unittest.TestCase):
    probes: tuple[str, ...] = ("icmp",)

    def setUp(self) -> None:
        self.events: list[events.Event] = []
        self.changed = threading.Condition()
        self.detection = detection.Detection(self, lateness.Lateness(0.05))
        self.peers = Peers()
        self.others: set[str] = set()
        self.ends: dict[str, float] = {}
        jury = panel.Panel(self.probes)
        self.weighing = weighing.Weighing(
            jury,
            self.detection,
            SETTLE_S,
            self.peers,
            windows.Windows(lambda host: host in self.ends, self.ends.__getitem__),
            is_mine=lambda host: host not in self.others,
            again_s=AGAIN_S,
        )
        self.weighing.watch([A1, A2, "b", "c"])
        self.weighing.start()
        self.addCleanup(self.weighing.stop)

    def put(self, event: events.Event) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def tell(
        self,
        failed: Sequence[report.Failure] = (),
        returned: Sequence[str] = (),
        probe: str = "icmp",
    ) -> None:
        judged = report.Judged(time.time(), tuple(failed), tuple(returned))
        self.weighing.outlet(probe).judged(judged)

    def told(self, count: int, timeout_s: float = 3.0) -> list[tuple[str, str, str]]:
        with self.changed:
            self.changed.wait_for(lambda: len(self.events) >= count, timeout_s)
            return [
                (type(event).__name__[5:], str(fault.fault_type), fault.host)
                for event in self.events
                if isinstance(event, Facts)
                for fault in event.faults
            ]


class WeighingTest(Case):
    def test_a_dead_host_is_told_before_the_call_returns(self) -> None:
        self.tell([failure(A1), failure(A2), failure("b")])
        self.assertEqual(1, len(self.events))
        wanted = [("Confirmed", "host.down", host) for host in "ab"]
        self.assertEqual(wanted, self.told(0))

    def test_interfaces_that_die_a_round_apart_are_one_dead_host(self) -> None:
        self.tell([failure(A2)])
        self.tell([failure(A1)])
        time.sleep(2 * SETTLE_S)
        self.assertEqual([("Confirmed", "host.down", "a")], self.told(1))

    def test_a_lost_link_is_told_once_settled_and_its_end_at_once(self) -> None:
        self.tell([failure(A2)])
        self.assertEqual([], self.told(0))
        self.assertEqual([("Confirmed", "link.down", "a")], self.told(1))
        self.tell(returned=[A2])
        self.assertEqual(("Cleared", "link.down", "a"), self.told(0)[-1])

    def test_a_link_that_is_lost_for_a_blink_is_no_fault(self) -> None:
        self.tell([failure(A2)])
        self.tell(returned=[A2])
        self.assertEqual([], self.told(1, 2 * SETTLE_S))

    def test_a_host_that_comes_back_by_half_stays_down_meanwhile(self) -> None:
        """The new fault is told before the old one's end: it is never up."""
        self.tell([failure(A1), failure(A2)])
        self.tell(returned=[A1])
        wanted = [
            ("Confirmed", "host.down", "a"),
            ("Confirmed", "link.down", "a"),
            ("Cleared", "host.down", "a"),
        ]
        self.assertEqual(wanted, self.told(3))
        self.tell(returned=[A2])
        self.assertEqual(("Cleared", "link.down", "a"), self.told(4)[-1])

    def test_a_storm_is_told_only_as_far_as_it_is_believed(self) -> None:
        self.peers.believed = {"b"}
        self.tell([failure(name, is_storm=True) for name in (A1, A2, "b", "c")])
        self.assertEqual([("Confirmed", "host.down", "b")], self.told(1))
        self.assertEqual(["a", "b", "c"], self.peers.asked[0])
        self.tell(returned=[A1, A2, "c"])
        self.assertTrue(self.peers.is_calm)
        self.assertEqual(1, len(self.told(2, AGAIN_S + 0.2)))

    def test_doubt_is_asked_again_and_covers_who_fails_meanwhile(self) -> None:
        self.tell([failure(A1, True), failure(A2, True)])
        self.tell([failure("b")])
        self.assertEqual([], self.told(1, 0.2))
        self.peers.believed = {"a", "b"}
        wanted = {("Confirmed", "host.down", host) for host in "ab"}
        self.told(1)
        self.assertEqual(wanted, set(self.told(2, 0.5)))

    def test_hosts_that_a_campaign_reboots_together_are_in_no_doubt(self) -> None:
        """Before their time is over nobody is asked, and others are not doubted."""
        end = time.time() + 3 * AGAIN_S
        self.ends |= {"b": end, "c": end}
        self.tell([failure("b", True), failure("c", True)])
        time.sleep(AGAIN_S)
        self.tell([failure(A1), failure(A2)])
        self.assertEqual([("Confirmed", "host.down", "a")], self.told(1, 0.0))
        self.assertEqual([], self.peers.asked)
        self.assertLessEqual({"b", "c"}, self.weighing.covered())
        time.sleep(4 * AGAIN_S)
        self.assertEqual(["b", "c"], self.peers.asked[0])
        self.assertTrue({"b", "c"}.isdisjoint(self.weighing.covered()))
        self.peers.believed = {"b", "c"}
        wanted = [("Confirmed", "host.down", host) for host in "abc"]
        self.assertEqual(wanted, self.told(2))

    def test_anothers_hosts_are_known_but_not_told_until_taken_over(self) -> None:
        self.others = {"b", "c"}
        self.tell([failure("b"), failure("c")])
        self.assertEqual([], self.told(0))
        self.assertEqual({"a": False, "b": True}, self.weighing.look(["a", "b", "x"]))
        self.tell([failure(A2)])
        self.assertEqual({"a": True}, self.weighing.look(["a"]), "a lost link")
        self.tell(returned=[A2])
        known = events.Fault("1", "c", "host.down", "critical", {})
        self.others = set()
        self.detection.adopt([known])
        self.weighing.compare(["b", "c"])
        self.assertEqual([("Confirmed", "host.down", "b")], self.told(0))


class SeveralProbesTest(Case):
    """DR-4: one probe tells the fault at once; who waits hears of the others."""

    probes = ("icmp", "tcp", "bfd")

    def setUp(self) -> None:
        super().setUp()
        self.detection.most_probes = 3

    def test_the_second_probe_is_told_for_all_hosts_of_its_round(self) -> None:
        self.tell([failure("b"), failure("c")])
        self.tell([failure("b"), failure("c")], probe="tcp")
        raised, grown = self.events
        assert isinstance(raised, events.FaultConfirmed)
        assert isinstance(grown, events.FaultCorroborated)
        ids = [fault.id for fault in raised.faults]
        self.assertEqual(ids, [fault.id for fault in grown.faults])
        self.assertEqual(dict.fromkeys(ids, 1), grown.before)
        for fault in grown.faults:
            self.assertEqual(["icmp", "tcp"], fault.evidence["probes"])
        self.tell(returned=["b"])
        self.tell([failure("b")])
        self.assertEqual(2, len(self.events), "told once")

    def test_one_interface_alone_is_not_the_host(self) -> None:
        self.tell([failure(A1), failure(A2)])
        self.tell([failure(A1)], probe="tcp")
        self.assertEqual([("Confirmed", "host.down", "a")], self.told(0))
        self.tell([failure(A2)], probe="tcp")
        self.assertEqual(("Corroborated", "host.down", "a"), self.told(0)[-1])

    def test_a_lost_link_too(self) -> None:
        self.tell([failure(A2)])
        self.assertEqual([("Confirmed", "link.down", "a")], self.told(1))
        self.tell([failure(A2)], probe="bfd")
        self.assertEqual(("Corroborated", "link.down", "a"), self.told(0)[-1])

    def test_a_monitor_that_takes_over_repeats_nothing(self) -> None:
        evidence = {"probes": ["icmp", "tcp"]}
        old = events.Fault("1", "b", "host.down", "critical", {"T1": 1.0}, evidence)
        self.detection.adopt([old])
        self.weighing.adopt([old], ["b"])
        self.weighing.compare(["b"])
        self.tell([failure("b")])
        self.assertEqual([], self.events)
        self.assertEqual({"b"}, self.weighing.lost("tcp"))
        self.tell([failure("b")], probe="bfd")
        (grown,) = self.events
        assert isinstance(grown, events.FaultCorroborated)
        self.assertEqual({"1": 2}, grown.before)
        self.tell(returned=["b"], probe="tcp")
        self.tell(returned=["b"], probe="bfd")
        self.assertEqual(1, len(self.events))
        self.tell(returned=["b"])
        self.assertEqual(("Cleared", "host.down", "b"), self.told(0)[-1])

    def test_a_second_vantage_tells_what_the_first_one_could_not(self) -> None:
        """It watched the host all along; the first monitor was killed too soon."""
        self.others = {"b"}
        self.tell([failure("b")])
        self.tell([failure("b")], probe="tcp")
        self.assertEqual([], self.events)
        old = events.Fault(
            "1", "b", "host.down", "critical", {"T1": 1.0}, {"probes": ["icmp"]}
        )
        self.others = set()
        self.detection.adopt([old])
        self.weighing.compare(["b"])
        self.assertEqual([("Corroborated", "host.down", "b")], self.told(0))
        self.weighing.compare(["b"])
        self.assertEqual(1, len(self.events))
