"""Reports on their way to the conductor.

Outcomes are owed: they stay in the ledger until the bus has confirmed them, and
are sent again after a restart under the same event id.  Progress and answers to
probes are worth nothing later, so they are tried once.
"""

import collections
import logging
import threading
from collections.abc import Callable
from typing import Protocol

from escalator import errors
from escalator.agent import ledger as ledgers
from escalator.domain import events

LOG = logging.getLogger(__name__)


class Publisher(Protocol):
    """What the agent needs of ``bus.events.EventPublisher``."""

    def publish(self, event: events.Event) -> None: ...


class Reporter:
    """One thread that publishes: outcomes in order, then passing reports.

    :param is_cut_off: True while a simulated host is dead: nothing leaves it.
    """

    def __init__(
        self,
        publisher: Publisher,
        ledger: ledgers.Ledger,
        retry_s: float = 0.5,
        is_cut_off: Callable[[], bool] = lambda: False,
    ) -> None:
        self._publisher = publisher
        self._ledger = ledger
        self._retry_s = retry_s
        self._is_cut_off = is_cut_off
        self._turn = threading.Condition()
        self._outbox: collections.OrderedDict[str, events.StepReported] = (
            collections.OrderedDict()
        )
        self._passing: dict[str, events.StepReported] = {}
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def start(self) -> None:
        """Begin to send, first of all what an earlier process left."""
        for report in self._ledger.undelivered():
            self.owe(report)
        self._thread.start()

    def owe(self, report: events.StepReported) -> None:
        """Send an outcome until the bus has it; also sends a known one again."""
        with self._turn:
            self._outbox.setdefault(report.event_id, report)
            self._passing.pop(report.step_id, None)
            self._turn.notify()

    def mention(self, report: events.StepReported) -> None:
        """Send a passing report once; a later one of its step replaces it."""
        with self._turn:
            self._passing[report.step_id] = report
            self._turn.notify()

    def stop(self) -> None:
        """Send what is owed and end; what the bus does not take is kept."""
        with self._turn:
            self._is_stopped = True
            self._turn.notify()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the thread's end; False if it does not end in time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        is_sent = True
        while True:
            with self._turn:
                while not self._is_stopped and not self._outbox and not self._passing:
                    self._turn.wait()
                if self._is_stopped and not (self._outbox and is_sent):
                    return
                owed = next(iter(self._outbox.values()), None)
                passing = None if owed else self._passing.popitem()[1]
            is_sent = self._send(owed or passing)
            if owed is not None and is_sent:
                self._strike_off(owed)
            elif not is_sent:
                self._pause()

    def _send(self, report: events.StepReported | None) -> bool:
        """Publish; True if the report is dealt with."""
        if report is None or self._is_cut_off():
            return report is None
        try:
            self._publisher.publish(report)
        except errors.BusUnavailable as error:
            LOG.info("Report of step %s waits: %s", report.step_id, error)
            return False
        except Exception:
            # It would fail for ever and hold up all others.
            LOG.exception("Report of step %s cannot be sent", report.step_id)
        return True

    def _strike_off(self, report: events.StepReported) -> None:
        with self._turn:
            self._outbox.pop(report.event_id, None)
        self._ledger.deliver(report.event_id)

    def _pause(self) -> None:
        with self._turn:
            if not self._is_stopped:
                self._turn.wait(self._retry_s)
