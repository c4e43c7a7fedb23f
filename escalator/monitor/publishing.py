"""From verdict to broker: in order, and until the broker has it."""

import collections
import threading
from typing import Protocol

from oslo_log import log as logging

from escalator import errors, realtime
from escalator.domain import events

LOG = logging.getLogger(__name__)

RETRY_S = 0.2


class Publisher(Protocol):
    """``bus.events.EventPublisher``."""

    def publish(self, event: events.Event) -> None:
        """Return once the broker confirmed.

        :raises BusUnavailable: it did not in time.
        """


class Publishing:
    """Publishes events one after the other from a thread of its own.

    At least once and in order: the first of the queue is repeated until it
    is confirmed, so a clearing never overtakes its fault.  What a kill takes
    with it is detected again by the next monitor.
    """

    def __init__(
        self,
        publisher: Publisher,
        is_realtime: bool = False,
        retry_s: float = RETRY_S,
    ) -> None:
        self._publisher = publisher
        self._is_realtime = is_realtime
        self._retry_s = retry_s
        self._queue: collections.deque[events.Event] = collections.deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._is_away = False
        self._thread = threading.Thread(
            target=self._run, name="monitor-publishing", daemon=True
        )

    def start(self) -> None:
        """Start publishing."""
        self._thread.start()

    def put(self, event: events.Event) -> None:
        """Take ``event``; never blocks."""
        with self._changed:
            self._queue.append(event)
            self._changed.notify()

    def stop(self, timeout_s: float) -> None:
        """Publish what is left if the broker takes it within ``timeout_s``."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)
        if self._queue:
            LOG.warning("Stopped with %d unpublished verdicts", len(self._queue))

    def _run(self) -> None:
        if self._is_realtime:
            realtime.take(realtime.TELLING)
        while (event := self._next()) is not None:
            if self._publish(event):
                with self._changed:
                    self._queue.popleft()

    def _next(self) -> events.Event | None:
        with self._changed:
            while not self._queue and not self._is_stopping:
                self._changed.wait()
            if not self._queue or (self._is_stopping and self._is_away):
                return None
            return self._queue[0]

    def _publish(self, event: events.Event) -> bool:
        try:
            self._publisher.publish(event)
        except errors.EscalatorError as error:
            self._say(f"the broker took no verdict, repeating it: {error}")
        except Exception:
            # A fault must outlive whatever is wrong with the publisher.
            LOG.exception("Publishing a verdict failed; it is repeated")
        else:
            self._is_away = False
            return True
        self._is_away = True
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping, self._retry_s)
        return False

    def _say(self, reason: str) -> None:
        if not self._is_away:
            LOG.warning("Monitor: %s", reason)
