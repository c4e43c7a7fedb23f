"""Runs or reverts steps: each attempt once, journalled before it acts.

Source: architecture section 3, rules 3 and 5; E-2, P-4e.
"""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from escalator.agent import (
    accounts,
    answers,
    deeds,
    endings,
    interrupting,
    lanes,
    progress,
    records,
    reporting,
)
from escalator.agent import ledger as ledgers
from escalator.domain import commands, events

LOG = logging.getLogger(__name__)


class Worker(Protocol):
    """Carries out orders (``agent.deeds.Deeds``)."""

    def carry_out(self, order: commands.RunStep) -> dict[str, Any]: ...


class Runner:
    """Takes orders and questions; every answer is a report.

    :param can_resume: tells whether a step found started in the journal can be
        brought to its end without doing anything twice (``agent.jobs``).
    :param max_parallel: steps that run at once.
    :param board: where actions tell how far they have come.
    :param programs: the programs that actions start.
    """

    def __init__(
        self,
        teller: accounts.Teller,
        ledger: ledgers.Ledger,
        worker: Worker,
        reporter: reporting.Reporter,
        can_resume: Callable[[commands.RunStep], bool],
        max_parallel: int = 4,
        board: progress.Board | None = None,
        programs: endings.Programs | None = None,
    ) -> None:
        self._teller = teller
        self._ledger = ledger
        self._worker = worker
        board = board or progress.Board()
        self._programs = programs or endings.NoPrograms()
        self._answers = answers.Answers(teller, ledger, reporter, board)
        self._interrupter = interrupting.Interrupter(
            teller, ledger, self._answers, board, self._programs
        )
        self._reporter = reporter
        self._can_resume = can_resume
        self._lanes = lanes.Lanes(max_parallel, f"steps-{teller.host}")
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
                self._answers.tell(order)
            case ledgers.Verdict.REFUSED:
                self._answers.refuse(order)

    def probe(self, probe: commands.ProbeStep) -> None:
        """Answer what became of an attempt."""
        known = self._ledger.find(probe.step_id)
        if known is None or known.order.fence < probe.fence:
            self._answers.deny(probe)
        elif known.order.fence > probe.fence:
            self._answers.refuse(probe)
        else:
            self._answers.tell(probe)

    def halt(self, stop: commands.StopStep) -> None:
        """End the programs of an attempt; what starts none runs to its end."""
        self._interrupter.halt(stop)

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
                self._answers.settle(
                    self._teller.report(order, events.Outcome.UNKNOWN, detail)
                )

    def tick(self) -> None:
        """Report progress, and give up what is long past its deadline."""
        with self._lock:
            active = list(self._active.values())
        self._interrupter.keep_only({order.step_id for order in active})
        for order in active:
            if self._answers.is_overdue(order):
                self._give_up(order)
            elif self._interrupter.gives_up(order):
                self._end(order)
            else:
                self._answers.say_running(order)

    def stop(self) -> None:
        """Begin no further step; those accepted are run by the next process."""
        self._lanes.close()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the steps under way; False if some still run."""
        is_idle = self._lanes.wait(timeout_s)
        self._answers.close()
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
                self._answers.refuse(order)
            else:
                self._answers.settle(report)
        finally:
            self._end(order)

    def _attempt(self, order: commands.RunStep) -> events.StepReported | None:
        """Act and return the outcome, or None if the order was overtaken."""
        begun = time.monotonic()
        try:
            if not self._ledger.start(order):
                return None
            self._answers.say_running(order)
            self._teller.check_host(order)
            now = self._teller.clock()
            result = self._worker.carry_out(deeds.remaining(order, now))
        except Exception as error:
            ending = self._programs.ending(order)
            report = self._teller.failure(order, error, ending)
        else:
            report = self._teller.report(order, events.Outcome.DONE, result=result)
        return dataclasses.replace(report, duration_s=time.monotonic() - begun)

    def _give_up(self, order: commands.RunStep) -> None:
        late_s = self._teller.clock() - order.deadline_at
        detail = f"{order.action} was not over {late_s:.0f} s after its deadline"
        report = self._teller.report(order, events.Outcome.FAILED, detail, "timeout")
        if self._answers.try_settle(report):
            self._end(order)
