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
class Entry:
    """A fact and the ids of its notices that are not settled yet.

    :ivar is_closed: no more notices will be added.
    """

    delivery: Delivery
    waits_for: set[str] = dataclasses.field(default_factory=set)
    is_closed: bool = False


class Ledger:
    """Acknowledges a fact when every notice it caused is settled.

    A fact that the broker delivers again joins the notices that are under
    way, and is not told twice by this process: the last ``remembered``
    settled notices are known by id.  Any thread may use it.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._lock = threading.Lock()
        self._open: dict[str, list[Entry]] = {}
        self._settled: collections.OrderedDict[str, None] = collections.OrderedDict()

    @property
    def under_way(self) -> int:
        """Notices that are not settled."""
        return len(self._open)

    def add(
        self, entry: Entry, notices: Iterable[notice.Notice]
    ) -> list[notice.Notice]:
        """Let a fact wait for these notices; return those that must be sent."""
        with self._lock:
            unsettled = [item for item in notices if item.id not in self._settled]
            fresh = [item for item in unsettled if item.id not in self._open]
            entry.waits_for.update(item.id for item in unsettled)
            for item in unsettled:
                self._open.setdefault(item.id, []).append(entry)
        return fresh

    def close(self, entry: Entry) -> None:
        """Say that all notices were added; with none left it is acknowledged."""
        with self._lock:
            entry.is_closed = True
            is_done = not entry.waits_for
        if is_done:
            entry.delivery.ack()

    def settle(self, notice_ids: Iterable[str]) -> None:
        """Note that the outcome of these notices is safe with the broker."""
        done: list[Entry] = []
        with self._lock:
            for notice_id in notice_ids:
                self._remember(notice_id)
                for entry in self._open.pop(notice_id, ()):
                    entry.waits_for.discard(notice_id)
                    if entry.is_closed and not entry.waits_for:
                        done.append(entry)
        for entry in done:
            entry.delivery.ack()

    def _remember(self, notice_id: str) -> None:
        self._settled[notice_id] = None
        while len(self._settled) > self._remembered:
            self._settled.popitem(last=False)
