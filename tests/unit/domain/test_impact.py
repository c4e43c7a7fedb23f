"""Faults joined with the map: pure."""

import unittest

import hypothesis
from hypothesis import strategies as st

from escalator.domain import events, impact

TIMES = {"T2": 3.0, "T3": 4.0, "T4": 4.0, "T5": 5.0}
WHERE = {
    "a": (events.AffectedInstance("i1", "red"), events.AffectedInstance("i2", "blue")),
    "b": (events.AffectedInstance("i3", "red"),),
}
EVENT_ID = "11111111-2222-4333-8444-555555555555"


def fault(host: str, fault_type: str = "host.down") -> events.Fault:
    return events.Fault(
        f"{host}/{fault_type}", host, fault_type, "critical", {"T0": 1.0, "T1": 2.0}
    )


class TestHostsToMark(unittest.TestCase):
    def test_only_a_dead_host_or_link_takes_it_down(self) -> None:
        """DR-5; the rest is told only."""
        for kind in events.FaultType:
            expected = ["a"] if kind in ("host.down", "link.down") else []
            self.assertEqual(expected, impact.hosts_to_mark([fault("a", kind)]), kind)

    def test_each_host_once(self) -> None:
        faults = [fault("b"), fault("a", "link.down"), fault("a"), fault("b")]
        self.assertEqual(["a", "b"], impact.hosts_to_mark(faults))


class TestAssess(unittest.TestCase):
    def test_one_impact_per_fault_with_its_own_instances(self) -> None:
        """DR-5, DR-7: host -> instances -> projects."""
        found = impact.assess([fault("b"), fault("a")], WHERE, {"a", "b"}, TIMES)
        self.assertEqual(["b", "a"], [each.fault.host for each in found])
        self.assertEqual([WHERE["b"], WHERE["a"]], [each.instances for each in found])

    def test_times_are_joined_and_the_faults_own_stay(self) -> None:
        """DR-9: T0 to T5, none missing."""
        raised = fault("a")
        (found,) = impact.assess([raised], WHERE, {"a"}, TIMES)
        self.assertEqual({"T0": 1.0, "T1": 2.0, **TIMES}, found.times)
        self.assertEqual({"T0": 1.0, "T1": 2.0}, raised.times)

    def test_what_was_not_marked_says_so(self) -> None:
        """DR-2."""
        found = impact.assess([fault("a"), fault("b")], WHERE, {"b"}, TIMES)
        self.assertEqual([False, True], [each.is_marked_down for each in found])

    def test_a_silent_agent_affects_no_instance(self) -> None:
        (found,) = impact.assess([fault("a", "agent.silent")], WHERE, {"a"}, TIMES)
        self.assertEqual(((), False), (found.instances, found.is_marked_down))

    def test_an_empty_map_and_an_unknown_host(self) -> None:
        for where in ({}, WHERE):
            (found,) = impact.assess([fault("z")], where, set(), TIMES)
            self.assertEqual((), found.instances)
        self.assertEqual((), impact.assess([], WHERE, set(), TIMES))

    @hypothesis.given(st.lists(st.sampled_from("abz"), max_size=8))
    def test_no_fault_is_lost_and_none_invented(self, hosts: list[str]) -> None:
        faults = [fault(host) for host in hosts]
        found = impact.assess(faults, WHERE, set(hosts), TIMES)
        self.assertEqual(faults, [each.fault for each in found])


class TestFacts(unittest.TestCase):
    def test_ids_follow_from_the_cause(self) -> None:
        """A repeat can be dropped by its receivers."""
        down = events.FaultConfirmed(EVENT_ID, (fault("a"),))
        up = events.FaultCleared(EVENT_ID, (fault("a"),), 9.0)
        first = impact.down(down, WHERE, {"a"}, TIMES)
        again = impact.down(down, {}, set(), {"T2": 99.0})
        self.assertEqual(first.event_id, again.event_id)
        self.assertEqual(
            impact.effect_id(EVENT_ID, "impact"), impact.up(up, {}, set(), {}).event_id
        )
        self.assertNotEqual(EVENT_ID, first.event_id)
        self.assertNotEqual(first.event_id, impact.effect_id(EVENT_ID, "over"))

    def test_an_end_carries_its_time_and_who_was_meant(self) -> None:
        """DR-10."""
        fact = events.FaultCleared(EVENT_ID, (fault("a"), fault("b")), 9.0)
        told = impact.up(fact, WHERE, {"b"}, {"T5": 10.0})
        self.assertEqual(9.0, told.cleared_at)
        self.assertEqual([False, True], [i.is_marked_down for i in told.impacts])
        self.assertEqual(WHERE["a"], told.impacts[0].instances)
