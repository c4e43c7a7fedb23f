"""Dead letters that are sent once more, each as the notice that it was.

Beside the path of facts and apart from it: a topic, and so a thread and a prefetch, of
its own, so that no number of dead letters delays a fact.  Source: DR-6, DR-7, DR-9;
ADR 23.
"""

import collections
import dataclasses
import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence

from escalator.domain import events, notice
from escalator.drivers import base
from escalator.notifier import ledger, reporting

LOG = logging.getLogger(__name__)

NOBODY = (
    "nobody sends it: its subscription is deleted, or its sink is not in "
    "[notifier] sinks any more"
)


class Resending:
    """Hands dead letters to their sinks, and tells what became of them this time.

    A request is acknowledged when the broker has the outcome: at least once.  One for
    a notice that is with its sink already joins it.  One that is delivered again after
    its outcome is known by its event, and not sent twice by this process.

    :param directory: returns the subscribers of this moment.
    """

    def __init__(
        self,
        directory: Callable[[], notice.Directory],
        sinks: Sequence[base.Sink],
        publisher: reporting.Publisher,
        remembered: int = ledger.REMEMBERED,
    ) -> None:
        self._directory = directory
        self._sinks = tuple(sinks)
        self._reporter = reporting.Reporter(publisher, self._reported)
        self._remembered = remembered
        self._lock = threading.Lock()
        self._with_sink: dict[str, list[ledger.Delivery]] = {}
        self._settled: collections.deque[list[ledger.Delivery]] = collections.deque()
        self._done: collections.OrderedDict[str, None] = collections.OrderedDict()

    @property
    def under_way(self) -> int:
        """Notices that are with a sink, or whose outcome the broker has not."""
        return len(self._with_sink) + len(self._settled)

    def start(self) -> None:
        self._reporter.start()

    def stop(self, timeout_s: float) -> None:
        """Publish the outcomes at hand; what is not settled comes again."""
        self._reporter.stop(timeout_s)

    def take(self, deliveries: Sequence[ledger.Delivery]) -> None:
        """Send each; acknowledged later.  Any thread may settle it."""
        directory = self._directory()
        for delivery in deliveries:
            if self._admit(delivery):
                self._send(_letter_of(delivery), delivery.received_at, directory)

    def _admit(self, delivery: ledger.Delivery) -> bool:
        """Note who waits for a notice; tell whether it must be sent now."""
        letter = _letter_of(delivery)
        with self._lock:
            if letter.event_id not in self._done:
                joined = self._with_sink.setdefault(letter.notice_id, [])
                joined.append(delivery)
                return len(joined) == 1
        delivery.ack()
        return False

    def _send(
        self,
        letter: events.ResendRequested,
        received_at: float,
        directory: notice.Directory,
    ) -> None:
        """Let the first sink that knows it send it; its T6 and T7 are of now (DR-9)."""
        reason = NOBODY
        try:
            for sink in self._sinks:
                if (found := sink.revive(letter, directory)) is not None:
                    times = {"T6": received_at, "T7": time.time()}
                    sink.submit(dataclasses.replace(found, times=times), self._settle)
                    return
        except Exception as error:
            LOG.exception("notice %s cannot be sent again", letter.notice_id)
            reason = f"its text cannot be sent again: {error!r}"
        self._settle(_dead(letter, reason))

    def _settle(self, fact: events.NoticeSettled) -> None:
        """Take over an outcome; the reporter tells them in the order of this list."""
        with self._lock:
            self._settled.append(self._with_sink.pop(fact.notice_id))
            self._reporter.put(fact)

    def _reported(self, notice_ids: Sequence[str]) -> None:
        """Acknowledge the requests whose outcome is safe with the broker."""
        for _ in notice_ids:
            deliveries = self._settled.popleft()
            with self._lock:
                for delivery in deliveries:
                    self._done[_letter_of(delivery).event_id] = None
                while len(self._done) > self._remembered:
                    self._done.popitem(last=False)
            for delivery in deliveries:
                delivery.ack()


def _letter_of(delivery: ledger.Delivery) -> events.ResendRequested:
    letter = delivery.event
    assert isinstance(letter, events.ResendRequested)  # noqa: S101 - see handlers
    return letter


def _dead(letter: events.ResendRequested, reason: str) -> events.NoticeSettled:
    """Return that the letter stays dead; repeatable: the request is its cause."""
    LOG.error("notice %s stays a dead letter: %s", letter.notice_id, reason)
    return events.NoticeSettled(
        event_id=str(uuid.uuid5(uuid.UUID(letter.event_id), notice.State.DEAD)),
        notice_id=letter.notice_id,
        cause_id=letter.cause_id,
        fault_ids=letter.fault_ids,
        subscription_id=letter.subscription_id,
        project_id=letter.project_id,
        state=notice.State.DEAD.value,
        attempts=0,
        times={},
        error=reason,
        body=letter.body,
    )
