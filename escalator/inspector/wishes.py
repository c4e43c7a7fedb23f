"""What is wished of the VIM, and whether it is carried out.  Thread-safe."""

import collections
import threading
from collections.abc import Callable, Collection, Iterable, Mapping

Wish = tuple[int, bool]
"""Its number, and whether the host is to be down."""


class Wishes:
    """The latest wish for each host; a newer one overtakes an older one.

    A host is open until its latest wish is carried out, or refused for good,
    and no older call for it is under way that could land later.

    :ivar is_owing: set while a wish is to be repeated.
    """

    def __init__(self) -> None:
        self.is_owing = threading.Event()
        self._lock = threading.Lock()
        self._number = 0
        self._latest: dict[str, Wish] = {}
        self._open: set[str] = set()
        self._owed: set[str] = set()
        self._calls: collections.Counter[str] = collections.Counter()
        self._waiting: list[tuple[dict[str, Wish], Callable[[], None]]] = []

    def add(self, hosts: Collection[str], is_down: bool) -> dict[str, Wish]:
        """Wish the same for all these hosts."""
        with self._lock:
            self._number += 1
            wishes = dict.fromkeys(hosts, (self._number, is_down))
            self._latest.update(wishes)
            self._open.update(hosts)
            ready = self._take_ready()
        _call_all(ready)
        return wishes

    def find_opposed(self, hosts: Iterable[str], is_down: bool) -> list[str]:
        """Return the open hosts for which the opposite is wished."""
        with self._lock:
            return [
                host
                for host in hosts
                if host in self._open and self._latest[host][1] is not is_down
            ]

    def begin(self, wishes: Mapping[str, Wish]) -> dict[str, Wish]:
        """Return those not overtaken; each begun call is to be ended."""
        with self._lock:
            valid = {h: w for h, w in wishes.items() if self._latest[h] == w}
            self._calls.update(valid.keys())
            return valid

    def end(self, begun: Mapping[str, Wish], settled: set[str]) -> set[str]:
        """Note what came of begun calls, and return the hosts overtaken.

        :param settled: hosts that the VIM has marked, or will never.
        """
        with self._lock:
            self._calls.subtract(begun.keys())
            overtaken = {h for h, w in begun.items() if self._latest[h] != w}
            self._owed -= settled
            self._owed |= overtaken | (begun.keys() - settled)
            quiet = {h for h in settled - overtaken if self._calls[h] <= 0}
            self._open -= quiet - self._owed
            self._calls = +self._calls
            if self._owed:
                self.is_owing.set()
            ready = self._take_ready()
        _call_all(ready)
        return overtaken

    def find_owed(self) -> dict[str, Wish]:
        """Return what is to be repeated."""
        with self._lock:
            if not self._owed:
                self.is_owing.clear()
            return {host: self._latest[host] for host in self._owed}

    def is_settled(self, hosts: Iterable[str]) -> bool:
        """Tell whether nothing that is wished of these hosts is open."""
        with self._lock:
            return self._open.isdisjoint(hosts)

    def when_settled(self, hosts: Iterable[str], then: Callable[[], None]) -> None:
        """Call ``then`` once, from any thread, when these hosts are settled.

        A wish of now that is overtaken later counts as settled.
        """
        with self._lock:
            wishes = {host: self._latest[host] for host in hosts if host in self._open}
            self._waiting.append((wishes, then))
            ready = self._take_ready()
        _call_all(ready)

    def _take_ready(self) -> list[Callable[[], None]]:
        ready = [then for wishes, then in self._waiting if not self._is_open(wishes)]
        if ready:
            self._waiting = [each for each in self._waiting if self._is_open(each[0])]
        return ready

    def _is_open(self, wishes: Mapping[str, Wish]) -> bool:
        return any(h in self._open and self._latest[h] == w for h, w in wishes.items())


def _call_all(ready: Iterable[Callable[[], None]]) -> None:
    for then in ready:
        then()
