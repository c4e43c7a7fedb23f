"""One received fact, and the thread that hands a topic's facts to handlers."""

import collections
import dataclasses
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from escalator.domain import events

LOG = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
REMEMBERED_FAILURES = 1000


@dataclasses.dataclass(slots=True, eq=False)
class Delivery:
    """A fact to be settled once, by :meth:`ack` or :meth:`requeue`.

    Both may be called from any thread and more than once: the first counts.
    After a lost connection they do nothing, and the broker delivers again.

    :ivar redelivered: it was delivered before, to this listener or another.
    :ivar received_at: epoch seconds at which it left the socket (T6).
    """

    event: Any
    redelivered: bool
    received_at: float
    settle: Callable[["Delivery", bool], None]

    def ack(self) -> None:
        """Tell the broker that the fact is dealt with."""
        self.settle(self, True)

    def requeue(self) -> None:
        """Give the fact back; somebody gets it again, at once."""
        self.settle(self, False)


Handler = Callable[[list[Delivery]], None]


class Lane:
    """Hands the facts of one topic to their handlers, in order of arrival.

    A handler gets what is at hand, never more than ``max_batch`` and only one
    type.  If it raises, the batch is given back after a pause that doubles
    from 0.1 to 2 s; facts of a batch that failed are handed over singly from
    then on, so that one bad fact does not take others with it.
    """

    def __init__(
        self,
        name: str,
        handlers: Mapping[type[Any], Handler],
        max_batch: int,
        is_manual: bool,
        counts: "collections.Counter[str]",
    ) -> None:
        self._handlers = handlers
        self._max_batch = max_batch
        self._is_manual = is_manual
        self._counts = counts
        self._waiting: collections.deque[Delivery] = collections.deque()
        self._failed: collections.OrderedDict[str, None] = collections.OrderedDict()
        self._pause_s = FIRST_PAUSE_S
        self._filled = threading.Condition()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, delivery: Delivery) -> None:
        """Queue one fact; a stopped lane gives it back."""
        with self._filled:
            if not self._stopped.is_set():
                self._waiting.append(delivery)
                self._filled.notify()
                return
        delivery.requeue()

    def forget(self) -> None:
        """Drop what waits: the connection is lost, it comes again."""
        with self._filled:
            self._waiting.clear()

    def stop(self) -> None:
        """Give back what waits; the handler under way finishes."""
        with self._filled:
            self._stopped.set()
            left = list(self._waiting)
            self._waiting.clear()
            self._filled.notify()
        for delivery in left:
            delivery.requeue()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the handler under way; False if it does not end in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._handlers[type(batch[0].event)](batch)
            except Exception:
                LOG.exception("%s: a handler failed", self._thread.name)
                self._give_back(batch)
            else:
                self._pause_s = FIRST_PAUSE_S
                self._counts["handled"] += len(batch)
                if not self._is_manual:
                    for delivery in batch:
                        delivery.ack()

    def _next(self) -> list[Delivery]:
        """Return the next batch; empty once the lane is stopped."""
        with self._filled:
            while not self._waiting and not self._stopped.is_set():
                self._filled.wait()
            if self._stopped.is_set():
                return []
            batch = [self._waiting.popleft()]
            if not self._is_suspect(batch[0]):
                self._fill(batch)
            return batch

    def _fill(self, batch: list[Delivery]) -> None:
        kind = type(batch[0].event)
        while self._waiting and len(batch) < self._max_batch:
            following = self._waiting[0]
            if type(following.event) is not kind or self._is_suspect(following):
                return
            batch.append(self._waiting.popleft())

    def _is_suspect(self, delivery: Delivery) -> bool:
        return _id_of(delivery.event) in self._failed

    def _give_back(self, batch: list[Delivery]) -> None:
        self._counts["failed"] += len(batch)
        for delivery in batch:
            self._failed[_id_of(delivery.event)] = None
        while len(self._failed) > REMEMBERED_FAILURES:
            self._failed.popitem(last=False)
        self._stopped.wait(self._pause_s)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        for delivery in batch:
            delivery.requeue()


def _id_of(event: events.Event) -> str:
    return str(getattr(event, "event_id", ""))
