"""Facts that stay with the broker until the VIM has done what they ask."""

import functools
import logging
import threading
from collections.abc import Collection
from typing import Any, Protocol

from escalator.inspector import marking

LOG = logging.getLogger(__name__)


class Delivery(Protocol):
    """A received fact; see ``bus.delivery``."""

    event: Any

    def ack(self) -> None: ...

    def requeue(self) -> None: ...


class Holding:
    """Acknowledges a fact when the marks of its hosts are settled.

    If this process dies before, the broker gives the fact to an inspector
    again, which marks again and tells again, under the same event id.

    :param most: facts held at once.  They use up the listener's prefetch: a
        VIM that is away for long must not keep new faults from being told, so
        that further facts are acknowledged at once, and their marks are kept
        in memory only.
    """

    def __init__(self, marks: marking.Marking, most: int) -> None:
        self._marks = marks
        self._most = most
        self._lock = threading.Lock()
        self._held: dict[str, Delivery] = {}
        self._is_stopping = False

    def hold(self, delivery: Delivery, hosts: Collection[str]) -> None:
        """Take a fact over; it is settled at once or later, from any thread."""
        if self._marks.is_settled(hosts):
            delivery.ack()
            return
        with self._lock:
            is_stopping = self._is_stopping
            key = delivery.event.event_id
            is_full = len(self._held) >= self._most and key not in self._held
            if not is_full:
                self._held[key] = delivery
        if is_full:
            LOG.warning(
                "%d facts wait for the VIM already: should this process end, the "
                "marks of %d more hosts are lost unless the VIM has them",
                self._most,
                len(hosts),
            )
            delivery.ack()
            return
        self._marks.when_settled(hosts, functools.partial(self._settled, delivery))
        if is_stopping:
            self.give_back()

    def give_back(self) -> None:
        """Let somebody else get what is held, now and from now on."""
        with self._lock:
            self._is_stopping = True
            left, self._held = self._held, {}
        for delivery in left.values():
            delivery.requeue()

    def _settled(self, delivery: Delivery) -> None:
        with self._lock:
            key = delivery.event.event_id
            if self._held.get(key) is delivery:
                del self._held[key]
        delivery.ack()
