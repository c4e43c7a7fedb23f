"""Reports on their way (architecture section 3, rule 3)."""

import os
import tempfile
import time
import unittest

from escalator.agent import accounts, journal, ledger, reporting
from escalator.domain import events
from tests.fixtures import agents, orders


class ReporterTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "journal")
        self.bus = agents.FakeBus()
        self.is_dead = False
        self.teller = accounts.Teller("node-1", "node-1:0", time.time)
        self.book = self.open()

    def open(self) -> ledger.Ledger:
        file = journal.Journal(self.path)
        self.addCleanup(file.close)
        return ledger.Ledger(file)

    def begin(self) -> reporting.Reporter:
        made = reporting.Reporter(self.bus, self.book, 0.005, lambda: self.is_dead)
        made.start()
        self.addCleanup(made.wait, 5)
        self.addCleanup(made.stop)
        return made

    def settled(self) -> events.StepReported:
        order = orders.make_order()
        report = self.teller.report(order, events.Outcome.DONE)
        self.book.accept(order)
        self.book.settle(report)
        return report

    def await_delivery(self) -> None:
        end = time.monotonic() + 5
        while self.book.undelivered():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.002)

    def test_outcomes_wait_for_the_bus_and_leave_in_order(self) -> None:
        self.bus.is_down = True
        sender = self.begin()
        owed = [self.settled() for _ in range(5)]
        for report in owed:
            sender.owe(report)
        time.sleep(0.03)
        self.assertEqual(owed, self.book.undelivered())
        self.bus.is_down = False
        self.await_delivery()
        self.assertEqual(owed, self.bus.events)

    def test_a_restart_sends_what_is_owed_under_the_same_id(self) -> None:
        report = self.settled()
        self.book = self.open()
        self.begin()
        self.await_delivery()
        self.assertEqual([report.event_id], [e.event_id for e in self.bus.events])

    def test_what_was_delivered_is_not_sent_after_a_restart(self) -> None:
        sender = self.begin()
        sender.owe(self.settled())
        self.await_delivery()
        sender.stop()
        sender.wait(5)
        self.settled()  # carries the lazy record to disk
        self.assertEqual(1, len(self.open().undelivered()))

    def test_passing_reports_are_dropped_while_the_bus_is_away(self) -> None:
        self.bus.is_down = True
        sender = self.begin()
        report = self.teller.report(orders.make_order(), events.Outcome.RUNNING)
        sender.mention(report)
        time.sleep(0.03)
        self.bus.is_down = False
        sender.owe(self.settled())
        self.await_delivery()
        self.assertNotIn(report, self.bus.events)

    def test_a_report_that_cannot_be_sent_does_not_hold_up_others(self) -> None:
        bad, good = self.settled(), self.settled()
        publish = self.bus.publish

        def refuse(event: events.Event) -> None:
            if event == bad:
                raise ValueError("cannot be encoded")
            publish(event)

        self.bus.publish = refuse  # type: ignore[method-assign]
        with self.assertLogs("escalator.agent.reporting", "ERROR"):
            self.begin()
            self.bus.await_report("done")
        self.assertEqual([good], self.bus.events)

    def test_a_dead_host_says_nothing_until_it_is_back(self) -> None:
        self.is_dead = True
        sender = self.begin()
        sender.owe(self.settled())
        time.sleep(0.03)
        self.assertEqual([], self.bus.events)
        self.is_dead = False
        self.await_delivery()
        self.assertEqual(1, len(self.bus.events))

    def test_stop_sends_what_is_owed_if_the_bus_takes_it(self) -> None:
        owed = [self.settled() for _ in range(20)]
        sender = self.begin()
        sender.stop()
        self.assertTrue(sender.wait(5))
        self.assertEqual(owed, self.bus.events)
