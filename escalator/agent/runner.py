"""Runs or reverts steps: each attempt once, journalled before it acts.

Source: architecture section 3, rules 3 and 5; E-2, P-4e.
"""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from escalator import errors
from escalator.agent import accounts, deeds, lanes, records, reporting
from escalator.agent import ledger as ledgers
from escalator.domain import commands, events

LOG = logging.getLogger(__name__)

OVERDUE_S = 5.0
"""An action that still acts so long after its deadline is given up."""

JOURNAL_RETRY_S = 1.0


class Worker(Protocol):
    """Carries out orders (``agent.deeds.Deeds``)."""

    def carry_out(self, order: commands.RunStep) -> dict[str, Any]: ...


class Runner:
    """Takes orders and questions; every answer is a report.

    :param can_resume: tells whether a step found started in the journal can be
        brought to its end without doing anything twice (``agent.jobs``).
    :param max_parallel: steps that run at once.
    """

    def __init__(
        self,
        teller: accounts.Teller,
        ledger: ledgers.Ledger,
        worker: Worker,
        reporter: reporting.Reporter,
        can_resume: Callable[[commands.RunStep], bool],
        max_parallel: int = 4,
    ) -> None:
        self._teller = teller
        self._ledger = ledger
        self._worker = worker
        self._reporter = reporter
        self._can_resume = can_resume
        self._lanes = lanes.Lanes(max_parallel, f"steps-{teller.host}")
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._active: dict[str, commands.RunStep] = {}

    def order(self, order: commands.RunStep) -> None:
        """Take an order; idempotent by step, attempt and fence.

        A repeated order is answered by what is known, one with a lower fence
        than was seen by ``refused``.

        :raises OSError: the journal does not take it; nothing was done.
        """
        match self._ledger.accept(order):
            case ledgers.Verdict.NEW:
                self._begin(order)
            case ledgers.Verdict.REPEATED:
                self._tell(order)
            case ledgers.Verdict.REFUSED:
                self._refuse(order)

    def probe(self, probe: commands.ProbeStep) -> None:
        """Answer what became of an attempt."""
        known = self._ledger.find(probe.step_id)
        if known is None or known.order.fence < probe.fence:
            self._reporter.mention(self._teller.absence(probe))
        elif known.order.fence > probe.fence:
            self._refuse(probe)
        else:
            self._tell(probe)

    def resume(self) -> None:
        """Deal with what an earlier process of this agent left unfinished.

        An attempt that never acted is run.  One whose programs are known to
        have ended, or still run, is brought to its end.  Otherwise nobody can
        tell, and the conductor decides.
        """
        for entry in self._ledger.unsettled():
            order = entry.order
            if entry.phase is records.Phase.ACCEPTED or self._can_resume(order):
                LOG.info("Step %s goes on", order.step_id)
                self._begin(order)
            else:
                detail = "the agent was interrupted while it acted"
                self._settle(self._teller.report(order, events.Outcome.UNKNOWN, detail))

    def tick(self) -> None:
        """Report progress, and give up what is long past its deadline."""
        with self._lock:
            active = list(self._active.values())
        for order in active:
            if self._is_overdue(order):
                self._give_up(order)
            else:
                self._say_running(order)

    def stop(self) -> None:
        """Begin no further step; those accepted are run by the next process."""
        self._lanes.close()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the steps under way; False if some still run."""
        is_idle = self._lanes.wait(timeout_s)
        self._is_over.set()
        return is_idle

    def _begin(self, order: commands.RunStep) -> None:
        with self._lock:
            self._active[order.step_id] = order
        self._lanes.submit((order.host, order.step_id), lambda: self._run(order))

    def _end(self, order: commands.RunStep) -> None:
        with self._lock:
            if self._active.get(order.step_id) is order:
                del self._active[order.step_id]

    def _run(self, order: commands.RunStep) -> None:
        try:
            report = self._attempt(order)
            if report is None:
                self._refuse(order)
            else:
                self._settle(report)
        finally:
            self._end(order)

    def _attempt(self, order: commands.RunStep) -> events.StepReported | None:
        """Act and return the outcome, or None if the order was overtaken."""
        begun = time.monotonic()
        try:
            if not self._ledger.start(order):
                return None
            self._say_running(order)
            self._teller.check_host(order)
            now = self._teller.clock()
            result = self._worker.carry_out(deeds.remaining(order, now))
        except Exception as error:
            report = self._teller.failure(order, error)
        else:
            report = self._teller.report(order, events.Outcome.DONE, result=result)
        return dataclasses.replace(report, duration_s=time.monotonic() - begun)

    def _settle(self, report: events.StepReported) -> None:
        """Make an outcome durable, however long that takes, then send it."""
        while not self._try_settle(report):
            if self._is_over.wait(JOURNAL_RETRY_S):
                return

    def _try_settle(self, report: events.StepReported) -> bool:
        """Return False if the journal does not take the outcome now."""
        try:
            is_news = self._ledger.settle(report)
        except OSError:
            LOG.exception("The outcome of step %s waits", report.step_id)
            return False
        if is_news:
            self._reporter.owe(report)
        else:
            LOG.warning("Step %s: %s came too late", report.step_id, report.outcome)
        return True

    def _give_up(self, order: commands.RunStep) -> None:
        late_s = self._teller.clock() - order.deadline_at
        detail = f"{order.action} was not over {late_s:.0f} s after its deadline"
        report = self._teller.report(order, events.Outcome.FAILED, detail, "timeout")
        if self._try_settle(report):
            self._end(order)

    def _is_overdue(self, order: commands.RunStep) -> bool:
        return self._teller.clock() > order.deadline_at + OVERDUE_S

    def _tell(self, asked: accounts.Asked) -> None:
        """Send the known outcome again, or say that it runs.

        Silence, if it should have been given up but the journal does not take
        that: the conductor must not wait for it for ever.
        """
        known = self._ledger.find(asked.step_id)
        if known is None:
            return
        if known.phase is records.Phase.SETTLED and known.report is not None:
            self._reporter.owe(known.report)
        elif not self._is_overdue(known.order):
            self._say_running(asked)

    def _say_running(self, asked: accounts.Asked) -> None:
        self._reporter.mention(self._teller.report(asked, events.Outcome.RUNNING))

    def _refuse(self, asked: accounts.Asked) -> None:
        known = self._ledger.find(asked.step_id)
        stale = errors.StaleFence(
            step_id=asked.step_id,
            fence=asked.fence,
            seen=known.order.fence if known is not None else asked.fence,
        )
        self._reporter.mention(
            self._teller.report(asked, events.Outcome.REFUSED, str(stale))
        )
