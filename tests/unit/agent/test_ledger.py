"""What survives of steps (architecture section 3, rules 3 to 5)."""

import dataclasses
import os
import tempfile
import unittest

from escalator.agent import accounts, journal, ledger, records
from escalator.domain import commands, events
from tests.fixtures import orders

Verdict = ledger.Verdict


class LedgerTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "journal")
        self.now = 1000.0
        self.is_full = False
        self.order = orders.make_order(fence=5, attempt=2)
        self.book = self.open()

    def open(self) -> ledger.Ledger:
        """Open the ledger as a restarted agent would."""
        file = journal.Journal(self.path, fsync=self.fsync)
        self.addCleanup(file.close)
        return ledger.Ledger(file, clock=lambda: self.now)

    def fsync(self, fd: int) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")

    def done(self, order: commands.RunStep) -> events.StepReported:
        teller = accounts.Teller("node-1", "node-1:0", lambda: self.now)
        return teller.report(order, events.Outcome.DONE, result={"a": [1]})

    def phase(self, book: ledger.Ledger) -> str:
        entry = book.find(self.order.step_id)
        return "none" if entry is None else entry.phase.value

    def test_every_phase_survives_a_restart(self) -> None:
        self.assertIs(Verdict.NEW, self.book.accept(self.order))
        self.book = self.open()
        self.assertEqual("accepted", self.phase(self.book))
        self.assertTrue(self.book.start(self.order))
        self.book = self.open()
        self.assertEqual("started", self.phase(self.book))
        report = self.done(self.order)
        self.assertTrue(self.book.settle(report))
        self.book = self.open()
        self.assertEqual("settled", self.phase(self.book))
        self.assertEqual([report], self.book.undelivered())
        self.book.deliver(report.event_id)
        self.book.accept(orders.make_order())
        self.assertEqual([], self.open().undelivered())

    def test_order_and_result_survive_whole(self) -> None:
        self.book.accept(self.order)
        self.book.settle(self.done(self.order))
        entry = self.open().find(self.order.step_id)
        assert entry is not None and entry.report is not None
        self.assertEqual(self.order, entry.order)
        self.assertEqual({"a": [1]}, entry.report.result)

    def test_fences(self) -> None:
        """A conductor that wakes up late is refused."""
        self.book.accept(self.order)
        book = self.open()
        cases = [
            (5, 2, Verdict.REPEATED),
            (4, 1, Verdict.REFUSED),
            (5, 1, Verdict.REFUSED),
            (6, 3, Verdict.NEW),
            (5, 2, Verdict.REFUSED),
        ]
        for fence, attempt, verdict in cases:
            order = dataclasses.replace(self.order, fence=fence, attempt=attempt)
            self.assertIs(verdict, book.accept(order), (fence, attempt))

    def test_an_overtaken_attempt_neither_starts_nor_settles(self) -> None:
        self.book.accept(self.order)
        self.book.accept(dataclasses.replace(self.order, fence=6, attempt=3))
        self.assertFalse(self.book.start(self.order))
        self.assertFalse(self.book.settle(self.done(self.order)))

    def test_the_first_outcome_stays(self) -> None:
        self.book.accept(self.order)
        self.assertTrue(self.book.settle(self.done(self.order)))
        self.assertFalse(self.book.settle(self.done(self.order)))
        self.assertFalse(self.book.start(self.order))

    def test_nothing_is_accepted_that_is_not_on_disk(self) -> None:
        self.is_full = True
        with self.assertRaises(OSError):
            self.book.accept(self.order)
        self.assertEqual("none", self.phase(self.book))

    def test_a_higher_fence_keeps_the_older_report_owed(self) -> None:
        self.book.accept(self.order)
        report = self.done(self.order)
        self.book.settle(report)
        self.book.accept(dataclasses.replace(self.order, fence=6, attempt=3))
        for _ in range(2):
            self.book = self.open()
            self.assertEqual([report], self.book.undelivered())
            self.assertEqual("accepted", self.phase(self.book))

    def test_old_delivered_steps_are_forgotten_and_no_others(self) -> None:
        other = orders.make_order()
        self.book.accept(self.order)
        self.book.accept(other)
        report = self.done(self.order)
        self.book.settle(report)
        self.book.deliver(report.event_id)
        self.book.release({self.order.step_id: self.order.fence})
        self.now += ledger.RETENTION_S + 1
        again = self.open()
        self.assertIsNone(again.find(self.order.step_id))
        self.assertIsNotNone(again.find(other.step_id))

    def finish(self, order: commands.RunStep) -> None:
        self.book.accept(order)
        self.book.start(order)
        report = self.done(order)
        self.book.settle(report)
        self.book.deliver(report.event_id)

    def test_what_may_be_undone_is_remembered_until_it_is_released(self) -> None:
        """S-7: a campaign may wait for its commit longer than an outcome is kept."""
        self.finish(self.order)
        self.now += ledger.RETENTION_S + 1
        self.book = self.open()
        self.assertEqual({self.order.step_id}, self.book.kept_ids())
        fences = {self.order.step_id: 5, "unknown": 9}
        self.assertEqual({self.order.step_id}, self.book.release(fences))
        self.assertEqual({self.order.step_id}, self.book.release(fences))
        self.assertEqual(set(), self.book.kept_ids())
        for _ in range(2):
            self.book = self.open()
            self.assertEqual(set(), self.book.kept_ids())

    def test_a_release_comes_too_late_for_a_step_that_runs_again(self) -> None:
        self.finish(self.order)
        again = dataclasses.replace(self.order, fence=6, attempt=3, rerun=1)
        self.finish(again)
        self.assertEqual(set(), self.book.release({self.order.step_id: 5}))
        self.assertEqual({self.order.step_id}, self.open().kept_ids())

    def test_a_step_that_runs_again_is_kept_again(self) -> None:
        self.finish(self.order)
        self.book.release({self.order.step_id: 5})
        again = dataclasses.replace(self.order, fence=6, attempt=3, rerun=1)
        self.finish(again)
        for _ in range(2):
            self.book = self.open()
            self.assertEqual({self.order.step_id}, self.book.kept_ids())

    def test_a_step_under_way_is_not_released(self) -> None:
        self.book.accept(self.order)
        self.assertEqual(set(), self.book.release({self.order.step_id: 5}))

    def test_nothing_is_kept_for_ever(self) -> None:
        self.finish(self.order)
        other = orders.make_order()
        self.book.accept(other)
        self.now += ledger.UNRELEASED_S + 1
        self.assertEqual({other.step_id}, self.open().step_ids())

    def test_a_journal_of_a_newer_release_is_read(self) -> None:
        order = {**dataclasses.asdict(self.order), "colour": "blue"}
        book = records.replay([{"kind": "accepted", "order": order, "at": 1.0}])
        self.assertEqual(self.order, book.entries[self.order.step_id].order)
