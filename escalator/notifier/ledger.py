"""Which facts still wait for which notices."""

import collections
import dataclasses
import threading
from collections.abc import Iterable
from typing import Protocol

from escalator.domain import events, notice

REMEMBERED = 10000


class Delivery(Protocol):
    """A received fact, to be settled once (``bus.events.Delivery``)."""

    event: events.Event
    received_at: float

    def ack(self) -> None: ...

    def requeue(self) -> None: ...


@dataclasses.dataclass(slots=True, eq=False)
class _Open:
    """A fact and the ids of its notices that are not settled yet."""

    delivery: Delivery
    waits_for: set[str]


class Ledger:
    """Acknowledges a fact when every notice it caused is settled.

    A fact that the broker delivers again joins the notices that are under
    way, and is not told twice by this process: the last ``remembered``
    settled notices are known by id.  Any thread may use it.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._lock = threading.Lock()
        self._open: dict[str, list[_Open]] = {}
        self._settled: collections.OrderedDict[str, None] = collections.OrderedDict()

    @property
    def under_way(self) -> int:
        """Notices that are not settled."""
        return len(self._open)

    def enter(
        self, delivery: Delivery, notices: Iterable[notice.Notice]
    ) -> list[notice.Notice]:
        """Return those notices that must be sent for ``delivery``.

        A fact with nothing to wait for is acknowledged at once.
        """
        with self._lock:
            unsettled = [item for item in notices if item.id not in self._settled]
            fresh = [item for item in unsettled if item.id not in self._open]
            entry = _Open(delivery, {item.id for item in unsettled})
            for item in unsettled:
                self._open.setdefault(item.id, []).append(entry)
        if not unsettled:
            delivery.ack()
        return fresh

    def settle(self, notice_ids: Iterable[str]) -> None:
        """Note that the outcome of these notices is safe with the broker."""
        done: list[_Open] = []
        with self._lock:
            for notice_id in notice_ids:
                self._remember(notice_id)
                for entry in self._open.pop(notice_id, ()):
                    entry.waits_for.discard(notice_id)
                    if not entry.waits_for:
                        done.append(entry)
        for entry in done:
            entry.delivery.ack()

    def _remember(self, notice_id: str) -> None:
        self._settled[notice_id] = None
        while len(self._settled) > self._remembered:
            self._settled.popitem(last=False)
