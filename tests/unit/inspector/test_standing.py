"""Facts that come in the wrong order."""

import dataclasses
import unittest

from escalator.inspector import standing
from tests.unit.inspector import fakes


class TestStanding(unittest.TestCase):
    def setUp(self) -> None:
        self.standing = standing.Standing()
        self.first = fakes.fault("a", at=100.0)
        self.second = fakes.fault("a", at=300.0)

    def test_in_order_everything_counts(self) -> None:
        for fault, over_at in ((self.first, 200.0), (self.second, 400.0)):
            self.assertEqual([fault], self.standing.note_raised([fault]))
            end = fakes.cleared(fault, at=over_at).event
            self.assertEqual([fault], self.standing.note_cleared(end))

    def test_a_fault_after_its_end_is_over(self) -> None:
        self.standing.note_cleared(fakes.cleared(self.first, at=200.0).event)
        both = fakes.confirmed(self.first, self.second).event
        self.assertEqual([self.second], self.standing.note_raised(both.faults))
        over = self.standing.find_over(both, "id")
        assert over is not None
        self.assertEqual(((self.first,), 200.0), (over.faults, over.cleared_at))

    def test_an_end_after_the_next_fault_is_outdated(self) -> None:
        """DR-10: the host of the second fault is not marked up."""
        self.standing.note_raised([self.first])
        self.standing.note_raised([self.second])
        end = fakes.cleared(self.first, at=200.0).event
        self.assertEqual([], self.standing.note_cleared(end))

    def test_a_monitor_that_was_killed_may_end_a_fault_under_a_new_id(self) -> None:
        self.standing.note_raised([self.first])
        again = fakes.fault("a", at=150.0)
        end = fakes.cleared(again, at=200.0).event
        self.assertEqual([again], self.standing.note_cleared(end))

    def test_a_silent_agent_outdates_no_end(self) -> None:
        self.standing.note_raised([self.first])
        self.standing.note_raised([fakes.fault("a", "agent.silent", at=300.0)])
        end = fakes.cleared(self.first, at=200.0).event
        self.assertEqual([self.first], self.standing.note_cleared(end))

    def test_others_of_the_same_host_are_known_until_they_end(self) -> None:
        link = fakes.fault("a", "link.down", at=150.0)
        elsewhere = fakes.fault("b", at=150.0)
        self.standing.note_raised([link, elsewhere])
        self.standing.note_raised([self.first])
        self.assertEqual((link,), self.standing.others([self.first]))
        self.assertEqual((), self.standing.others([self.first, link]))
        self.standing.note_cleared(fakes.cleared(link, at=200.0).event)
        self.assertEqual((), self.standing.others([self.first]))

    def test_the_last_of_two_faults_frees_the_host(self) -> None:
        """DR-10: whichever of the two ends first."""
        link = fakes.fault("a", "link.down", at=150.0)
        for order in ((self.first, link), (link, self.first)):
            known = standing.Standing()
            known.note_raised([self.first, link])
            ends = [fakes.cleared(fault, at=200.0).event for fault in order]
            self.assertEqual([], known.note_cleared(ends[0]))
            self.assertEqual([order[1]], known.note_cleared(ends[1]))

    def test_a_host_that_was_put_off_is_taken_once(self) -> None:
        link = fakes.fault("a", "link.down")
        self.standing.note_raised([self.first, link])
        self.standing.end(fakes.cleared(self.first).event)
        self.standing.note_cleared(fakes.cleared(link).event)
        self.assertEqual(["a"], self.standing.take_put_off(["a"]))
        self.assertEqual([], self.standing.take_put_off(["a"]))

    def test_the_memory_is_bounded(self) -> None:
        fault = fakes.fault("a")
        self.standing.note_cleared(fakes.cleared(fault).event)
        for _ in range(100):
            many = (fakes.fault("b") for _ in range(100))
            self.standing.note_cleared(fakes.cleared(*many).event)
        self.assertEqual([fault], self.standing.note_raised([fault]))

    def test_what_an_alarm_says_ends_nothing_that_a_monitor_said(self) -> None:
        """And the other way round: each source has a fault of its own."""
        told = dataclasses.replace(
            fakes.fault("a", at=100.0), evidence={"alarm_id": "mine"}
        )
        for first, last in ((self.first, told), (told, self.first)):
            known = standing.Standing()
            known.note_raised([first, last])
            end = fakes.cleared(first, at=200.0).event
            self.assertEqual([], known.note_cleared(end))
            end = fakes.cleared(last, at=210.0).event
            self.assertEqual([last], known.note_cleared(end))
