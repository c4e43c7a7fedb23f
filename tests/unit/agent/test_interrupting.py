"""When an attempt counts as hung, and who is told to stop (P-4e, E-0)."""

import dataclasses
import os
import tempfile
import time
import unittest
from collections.abc import Hashable

from escalator.agent import accounts, endings, interrupting, journal, progress
from escalator.agent import answers as answering
from escalator.agent import ledger as ledgers
from escalator.domain import commands, events
from tests.fixtures import orders


class Programs:
    """Programs whose output the test writes."""

    def __init__(self) -> None:
        self.output = 0
        self.is_any = True
        self.ended: list[endings.Ending] = []

    def end(self, order: commands.RunStep, ending: endings.Ending) -> bool:
        self.ended.append(ending)
        return self.is_any

    def ending(self, order: commands.RunStep) -> endings.Ending | None:
        return self.ended[0] if self.ended else None

    def sign(self, order: commands.RunStep) -> Hashable:
        return self.output


class Said:
    """Keeps what would leave the agent."""

    def __init__(self) -> None:
        self.reports: list[events.StepReported] = []

    def owe(self, report: events.StepReported) -> None:
        self.reports.append(report)

    mention = owe


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 100.0
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        file = journal.Journal(os.path.join(folder.name, "journal"))
        self.addCleanup(file.close)
        self.ledger = ledgers.Ledger(file)
        self.programs, self.said = Programs(), Said()
        self.board = progress.Board()
        teller = accounts.Teller("node-1", "node-1:0", time.time)
        told = answering.Answers(teller, self.ledger, self.said, self.board)
        self.ends = interrupting.Interrupter(
            teller, self.ledger, told, self.board, self.programs, lambda: self.now
        )
        self.order = orders.make_order(progress_s=5.0, fence=2)
        self.ledger.accept(self.order)
        self.ledger.start(self.order)

    def later(self, seconds: float) -> bool:
        self.now += seconds
        return self.ends.gives_up(self.order)

    def outcomes(self) -> list[str]:
        return [report.outcome for report in self.said.reports]


class TestHung(Case):
    def test_programs_are_ended_once_after_the_limit_without_progress(self) -> None:
        self.assertFalse(self.later(0))
        self.assertFalse(self.later(4.9))
        self.assertEqual([], self.programs.ended)
        self.later(0.1)
        self.later(9.0)
        (ending,) = self.programs.ended
        self.assertEqual("hung", ending.kind)
        self.assertIn("no progress for 5.0 s", ending.reason)
        self.assertEqual([], self.said.reports, "the action reports")

    def test_whatever_moves_is_progress(self) -> None:
        self.later(0)
        for number in range(4):
            self.later(4)
            self.programs.output += number % 2
            if not number % 2:
                self.board.tell(self.order.step_id, {"done": number})
        self.assertEqual([], self.programs.ended)

    def test_an_action_without_programs_is_given_up(self) -> None:
        self.programs.is_any = False
        self.later(0)
        self.assertTrue(self.later(6))
        (report,) = self.said.reports
        self.assertEqual(("failed", "hung"), (report.outcome, report.failure_class))

    def test_no_limit_no_verdict(self) -> None:
        self.order = dataclasses.replace(self.order, progress_s=0.0)
        self.later(0)
        self.later(900)
        self.assertEqual([], self.programs.ended)

    def test_an_attempt_that_waits_for_its_turn_does_not_hang(self) -> None:
        self.order = orders.make_order(progress_s=5.0)
        self.ledger.accept(self.order)
        self.later(0)
        self.later(9)
        self.assertEqual([], self.programs.ended)


class TestHalt(Case):
    def stop(self, fence: int, step_id: str = "") -> None:
        order = self.order
        self.ends.halt(
            commands.StopStep(
                step_id or order.step_id,
                order.campaign_id,
                order.host,
                "node",
                1,
                fence,
                "paused by op",
            )
        )

    def test_only_the_present_fence_is_ended(self) -> None:
        """Rule 3: a stop that comes late ends nothing."""
        self.stop(1)
        self.stop(3)
        self.stop(2, orders.make_order().step_id)
        self.assertEqual([], self.programs.ended)
        self.assertEqual(["refused", "never_seen", "never_seen"], self.outcomes())
        self.stop(2)
        self.assertEqual(
            [endings.Ending("stopped", "paused by op")], self.programs.ended
        )

    def test_what_is_over_says_so_again(self) -> None:
        teller = accounts.Teller("node-1", "node-1:0", time.time)
        self.ledger.settle(teller.report(self.order, events.Outcome.DONE))
        self.stop(2)
        self.assertEqual((["done"], []), (self.outcomes(), self.programs.ended))


class TestReports(unittest.TestCase):
    def test_what_an_ended_attempt_reports(self) -> None:
        teller = accounts.Teller("node-1", "node-1:0", time.time)
        order, error = orders.make_order(), ValueError("killed")
        stopped = teller.failure(order, error, endings.Ending("stopped", "why"))
        hung = teller.failure(order, error, endings.Ending("hung", "why"))
        self.assertEqual(("stopped", "", "why"), _told(stopped))
        self.assertEqual(("failed", "hung", "why"), _told(hung))


def _told(report: events.StepReported) -> tuple[str, str, str]:
    return report.outcome, report.failure_class, report.detail
