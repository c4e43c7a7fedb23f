"""Checkpoints that follow the notices are told, each once (DR-9)."""

import threading
import time
import unittest
from unittest import mock

from escalator import errors
from escalator.domain import events
from escalator.inspector import checkpoints, standing
from tests.unit.inspector import fakes

A, B, LINK = fakes.fault("a"), fakes.fault("b"), fakes.fault("a", "link.down")


class CheckpointsTest(unittest.TestCase):
    def setUp(self) -> None:
        for name in ("GATHER_S", "RETRY_S"):
            self.enterContext(mock.patch.object(checkpoints, name, 0.02))
        self.known = standing.Standing()
        self.publisher = fakes.FakePublisher()
        self.made = checkpoints.Checkpoints(self.publisher, self.known)
        self.made.start()
        self.addCleanup(self.made.stop)

    def told(self, count: int) -> list[events.CheckpointReached]:
        """Return what was told once that is ``count`` facts, and no more come."""
        deadline = time.monotonic() + fakes.PATIENCE_S
        while len(self.publisher.published) < count:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)
        time.sleep(0.1)
        self.assertEqual(count, len(self.publisher.published))
        return self.publisher.published

    def test_each_open_fault_of_a_host_once(self) -> None:
        self.known.note_raised([A, B, LINK])
        before = time.time()
        self.made.reach("T3", ["a"])
        self.made.reach("T3", ["a"])
        (fact,) = self.told(1)
        self.assertEqual("T3", fact.checkpoint)
        self.assertEqual({A.id, LINK.id}, fact.reached_at.keys())
        self.assertTrue(all(before <= at for at in fact.reached_at.values()))
        self.made.reach("T3", ["a", "b"])
        self.assertEqual({B.id}, self.told(2)[1].reached_at.keys())

    def test_many_hosts_are_gathered_in_one_fact(self) -> None:
        faults = [fakes.fault(f"h{n}") for n in range(200)]
        self.known.note_raised(faults)
        for each in faults:
            self.made.reach("T3", [each.host])
        told = [id for fact in self._all() for id in fact.reached_at]
        self.assertEqual(sorted(each.id for each in faults), sorted(told))
        self.assertLess(len(self.publisher.published), 20)

    def _all(self) -> list[events.CheckpointReached]:
        deadline = time.monotonic() + fakes.PATIENCE_S
        while time.monotonic() < deadline:
            if sum(len(f.reached_at) for f in self.publisher.published) >= 200:
                break
            time.sleep(0.005)
        return self.publisher.published

    def test_no_open_fault(self) -> None:
        self.known.note_raised([A])
        self.known.note_cleared(events.FaultCleared(A.id, (A,), 200.0))
        self.made.reach("T3", ["a", "nobody"])
        self.told(0)

    def test_what_the_conductor_has_is_not_told_again(self) -> None:
        """An adopted fault comes with the checkpoints that are stored."""
        stored = fakes.fault("a")
        stored.times["T3"] = 101.0
        self.known.note_raised([stored])
        self.made.reach("T3", ["a"])
        self.made.reach("T4", ["a"])
        (fact,) = self.told(1)
        self.assertEqual("T4", fact.checkpoint)

    def test_the_broker_is_away(self) -> None:
        self.known.note_raised([A, B])
        away = errors.BusUnavailable(timeout_s=1, reason="away")
        self.publisher.failures = [away, RuntimeError("planted"), away]
        with self.assertLogs("escalator.inspector", "WARNING"):
            self.made.reach("T4", ["a"])
            self.made.reach("T3", ["a", "b"])
            told = {fact.checkpoint: fact.reached_at for fact in self.told(2)}
        self.assertEqual({A.id}, told["T4"].keys())
        self.assertEqual({A.id, B.id}, told["T3"].keys())

    def test_the_last_ones_are_told_at_the_end(self) -> None:
        self.known.note_raised([A])
        self.made.reach("T3", ["a"])
        self.made.stop()
        self.assertEqual({A.id}, self.told(1)[0].reached_at.keys())
        names = [each.name for each in threading.enumerate()]
        self.assertNotIn("checkpoints", names)
