"""Faults from before this inspector's time (DR-5)."""

import threading
import time
import unittest
from unittest import mock

from escalator import errors
from escalator.domain import events
from escalator.inspector import adopting, standing
from escalator.objects import fault as fault_objects


def fault(id, host):
    return events.Fault(id, host, "host.down", "critical", {"T1": 1.0})


class Page:
    def __init__(self, faults):
        self.objects = [mock.Mock(id=f.id, to_fault=lambda f=f: f) for f in faults]


class Marks:
    def __init__(self):
        self.asked = []
        self.done = threading.Event()

    def mark_later(self, hosts, is_down):
        self.asked.append((sorted(hosts), is_down))
        self.done.set()


class AdoptingTest(unittest.TestCase):
    def setUp(self):
        self.known, self.marks = standing.Standing(), Marks()
        self.readings = []
        self.adopting = adopting.Adopting("context", self.known, self.marks)
        self.addCleanup(self.adopting.stop)
        for patch in (
            mock.patch.object(adopting, "PAUSE_S", 0.01),
            mock.patch.object(fault_objects.FaultRecordList, "get_page", self.page),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def page(self, context, state, limit, marker):
        if marker is not None:
            return Page([])
        found = self.readings.pop(0) if self.readings else []
        if isinstance(found, Exception):
            raise found
        return Page(found)

    def test_hosts_that_were_down_are_marked_again(self):
        both = [fault("f1", "c1"), fault("f2", "c2")]
        self.readings = [both, both]
        self.adopting.start()
        self.assertTrue(self.marks.done.wait(5))
        self.assertEqual([(["c1", "c2"], True)], self.marks.asked)

    def test_what_ends_between_two_readings_is_left_alone(self):
        one = fault("f1", "c1")
        self.readings = [[one, fault("f2", "c2")], [one]]
        self.adopting.start()
        self.assertTrue(self.marks.done.wait(5))
        self.assertEqual([(["c1"], True)], self.marks.asked)

    def test_what_is_known_to_be_over_is_left_alone(self):
        one, two = fault("f1", "c1"), fault("f2", "c2")
        self.known.note_cleared(events.FaultCleared("e", (one,), 2.0))
        self.readings = [[one, two], [one, two]]
        self.adopting.start()
        self.assertTrue(self.marks.done.wait(5))
        self.assertEqual([(["c2"], True)], self.marks.asked)

    def test_a_conductor_that_is_away_is_asked_again(self):
        one = [fault("f1", "c1")]
        self.readings = [errors.BusUnavailable(timeout_s=1, reason="x"), one, one]
        self.adopting.start()
        self.assertTrue(self.marks.done.wait(5))

    def test_nothing_was_down(self):
        self.adopting.start()
        time.sleep(0.1)
        self.assertEqual([], self.marks.asked)
