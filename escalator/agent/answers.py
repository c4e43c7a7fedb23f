"""Outcomes made durable and sent; orders and questions answered from memory."""

import logging
import threading

from escalator import errors
from escalator.agent import accounts, progress, records, reporting
from escalator.agent import ledger as ledgers
from escalator.domain import commands, events

LOG = logging.getLogger(__name__)

OVERDUE_S = 5.0
"""An action that still acts so long after its deadline is given up."""

JOURNAL_RETRY_S = 1.0


class Answers:
    """What goes out of the runner."""

    def __init__(
        self,
        teller: accounts.Teller,
        ledger: ledgers.Ledger,
        reporter: reporting.Reporter,
        board: progress.Board | None = None,
    ) -> None:
        self._teller = teller
        self._ledger = ledger
        self._reporter = reporter
        self._board = board or progress.Board()
        self._is_over = threading.Event()

    def settle(self, report: events.StepReported) -> None:
        """Make an outcome durable, however long that takes, then send it."""
        while not self.try_settle(report):
            if self._is_over.wait(JOURNAL_RETRY_S):
                return

    def try_settle(self, report: events.StepReported) -> bool:
        """Return False if the journal does not take the outcome now."""
        try:
            is_news = self._ledger.settle(report)
        except OSError:
            LOG.exception("The outcome of step %s waits", report.step_id)
            return False
        self._board.forget(report.step_id)
        if is_news:
            self._reporter.owe(report)
        else:
            LOG.warning("Step %s: %s came too late", report.step_id, report.outcome)
        return True

    def is_overdue(self, order: commands.RunStep) -> bool:
        """Return True if the attempt should have been over long ago."""
        return self._teller.clock() > order.deadline_at + OVERDUE_S

    def tell(self, asked: accounts.Asked) -> None:
        """Send the known outcome again, or say that it runs.

        Silence, if it should have been given up but the journal does not take
        that: the conductor must not wait for it for ever.
        """
        known = self._ledger.find(asked.step_id)
        if known is None:
            return
        if known.phase is records.Phase.SETTLED and known.report is not None:
            self._reporter.owe(known.report)
        elif not self.is_overdue(known.order):
            self.say_running(asked)

    def say_running(self, asked: accounts.Asked) -> None:
        """Report once that the step runs, and how far it has come."""
        self._reporter.mention(
            self._teller.report(
                asked, events.Outcome.RUNNING, result=self._board.of(asked.step_id)
            )
        )

    def refuse(self, asked: accounts.Asked) -> None:
        """Say that a higher fence was seen."""
        known = self._ledger.find(asked.step_id)
        stale = errors.StaleFence(
            step_id=asked.step_id,
            fence=asked.fence,
            seen=known.order.fence if known is not None else asked.fence,
        )
        self._reporter.mention(
            self._teller.report(asked, events.Outcome.REFUSED, str(stale))
        )

    def deny(self, asked: commands.ProbeStep | commands.StopStep) -> None:
        """Say that the attempt never came here."""
        self._reporter.mention(self._teller.absence(asked))

    def close(self) -> None:
        """Let outcomes that the journal does not take go."""
        self._is_over.set()
