"""Outcomes reach the broker, however long it is away."""

import unittest

from escalator.notifier import reporting
from tests.unit.notifier import fakes


class ReporterTest(unittest.TestCase):
    def make(self, publisher: fakes.FakePublisher) -> reporting.Reporter:
        self.reported: list[str] = []
        reporter = reporting.Reporter(publisher, self.reported.extend)
        self.addCleanup(reporter.stop, 1.0)
        return reporter

    def test_what_is_at_hand_goes_in_one_batch(self) -> None:
        publisher = fakes.FakePublisher()
        reporter = self.make(publisher)
        for number in range(50):
            reporter.put(fakes.settlement(fakes.make_notice(str(number))))
        reporter.start()
        reporter.stop(2.0)
        self.assertEqual([str(number) for number in range(50)], self.reported)
        self.assertEqual((50, 1), (len(publisher.facts), publisher.batches))

    def test_reports_nothing_before_the_broker_has_it(self) -> None:
        publisher = fakes.FakePublisher(away=1)
        reporter = self.make(publisher)
        reporter.start()
        reporter.put(fakes.settlement(fakes.make_notice("1")))
        self.assertTrue(publisher.tried.acquire(timeout=2))
        self.assertEqual([], self.reported)
        self.assertTrue(publisher.tried.acquire(timeout=2))
        reporter.stop(2.0)
        self.assertEqual(["1"], self.reported)

    def test_stop_gives_up_on_a_broker_that_stays_away(self) -> None:
        publisher = fakes.FakePublisher(away=10**6)
        reporter = self.make(publisher)
        reporter.start()
        reporter.put(fakes.settlement(fakes.make_notice("1")))
        reporter.stop(0.05)
        self.assertEqual([], self.reported)

    def test_one_outcome_that_cannot_be_published_holds_up_no_other(self) -> None:
        publisher = fakes.FakePublisher()
        reporter = self.make(publisher)
        for name in ("1", "bad", "2"):
            reporter.put(fakes.settlement(fakes.make_notice(name)))
        with self.assertLogs("escalator.notifier.reporting", "ERROR"):
            reporter.start()
            reporter.stop(2.0)
        self.assertEqual(["1", "bad", "2"], self.reported)
        self.assertEqual(2, len(publisher.facts))
