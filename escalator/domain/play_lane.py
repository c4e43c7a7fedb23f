"""Hosts of one procedure in their order, and what each waits for.  Pure.

A host waits under the one key that refuses it and is looked at again only when
that key is free; so thousands of hosts cost seconds.
"""

import heapq
from collections.abc import Collection, Sequence

from escalator.domain.plan import Procedure

Key = tuple[str, str]
"""(budget, its key), or ("", host) for the host itself."""


class Lane:
    """One procedure's hosts, on the way forward or back.

    :ivar left: hosts that are not finished.
    :ivar under_way: hosts that are worked on; at most ``most``.
    """

    def __init__(self, procedure: Procedure, hosts: Sequence[str], most: int) -> None:
        self.procedure = procedure
        self.hosts = hosts
        self.most = most
        self.left = len(hosts)
        self.under_way = 0
        self._queue = list(range(len(hosts)))
        self._refused: dict[Key, dict[int, str]] = {}
        self._begun: set[int] = set()

    def next(self) -> int | None:
        """Return the next place to be tried, if there is room for one."""
        if self.under_way >= self.most or not self._queue:
            return None
        return heapq.heappop(self._queue)

    def begin(self, at: int) -> None:
        """Count a host as worked on."""
        self._begun.add(at)
        self.under_way += 1

    def finish(self) -> None:
        """Count one of the hosts that are worked on as finished."""
        self.under_way -= 1
        self.left -= 1

    def drop(self, host: str, is_left: bool) -> None:
        """Take a host out that was not begun.

        :param is_left: it is still selected: the procedure cannot end without it.
        """
        for at, name in enumerate(self.hosts):
            if name == host and at not in self._begun:
                self._begun.add(at)
                self._queue = [each for each in self._queue if each != at]
                heapq.heapify(self._queue)
                for waiting in self._refused.values():
                    waiting.pop(at, None)
                self.left -= not is_left

    def refuse(self, at: int, key: Key, reason: str) -> None:
        """Let a host wait until ``key`` is free."""
        self._refused.setdefault(key, {})[at] = reason

    def recall(self, keys: Collection[Key]) -> None:
        """Let those be tried again that wait for one of ``keys``."""
        for key in keys:
            for at in self._refused.pop(key, ()):
                heapq.heappush(self._queue, at)

    def refused(self) -> dict[str, tuple[Key, str]]:
        """Return host -> the key that it waits for, and why."""
        return {
            self.hosts[at]: (key, reason)
            for key, waiting in self._refused.items()
            for at, reason in waiting.items()
        }
