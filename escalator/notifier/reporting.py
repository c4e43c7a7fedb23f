"""Tells the conductor what became of every notice."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from escalator import errors
from escalator.domain import events

LOG = logging.getLogger(__name__)

GATHER_S = 0.005
"""Seconds the thread lets pass after a first outcome, so that it does not
compete with the deliveries of the same fact that are still under way."""

MOST_AT_ONCE = 200
RETRY_S = 0.2


class Publisher(Protocol):
    """What is asked of ``bus.events.EventPublisher``."""

    def publish_all(self, facts: Sequence[events.Event]) -> None: ...


class Reporter:
    """Publishes outcomes with confirms, in its own thread, until taken.

    :param reported: called with notice ids once the broker has their
        outcomes; what it acknowledges is at least once then.
    """

    def __init__(
        self, publisher: Publisher, reported: Callable[[list[str]], None]
    ) -> None:
        self._publisher = publisher
        self._reported = reported
        self._settled: queue.SimpleQueue[events.NoticeSettled | None] = (
            queue.SimpleQueue()
        )
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, fact: events.NoticeSettled) -> None:
        """Take over one outcome; never blocks."""
        self._settled.put(fact)

    def stop(self, timeout_s: float) -> None:
        """Publish what is at hand, then end; gives up after ``timeout_s``."""
        self._settled.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._stopped.set()

    def _run(self) -> None:
        while (first := self._settled.get()) is not None:
            time.sleep(GATHER_S)
            batch, is_last = [first], False
            while len(batch) < MOST_AT_ONCE and not self._settled.empty():
                fact = self._settled.get()
                if fact is None:
                    is_last = True
                    break
                batch.append(fact)
            self._publish(batch)
            if is_last:
                return

    def _publish(self, batch: list[events.NoticeSettled]) -> None:
        while not self._stopped.is_set():
            try:
                self._publisher.publish_all(batch)
            except errors.BusUnavailable as error:
                LOG.warning("%d outcomes wait: %s", len(batch), error)
                self._stopped.wait(RETRY_S)
            except Exception as error:
                return self._salvage(batch, error)
            else:
                self._reported([fact.notice_id for fact in batch])
                return

    def _salvage(self, batch: list[events.NoticeSettled], error: Exception) -> None:
        """Publish one by one; drop the record of one that cannot be published.

        Its owner has heard: telling again and again would not help.
        """
        if len(batch) > 1:
            for fact in batch:
                self._publish([fact])
            return
        LOG.error("the outcome of notice %s is lost: %r", batch[0].notice_id, error)
        self._reported([batch[0].notice_id])
