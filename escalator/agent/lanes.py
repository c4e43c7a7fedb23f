"""A bounded pool of threads in which work of one key never overlaps."""

import collections
import logging
import threading
import time
from collections.abc import Callable, Hashable

LOG = logging.getLogger(__name__)

Work = Callable[[], object]


class Lanes:
    """Runs work in ``width`` threads; work of one key in order, one at a time.

    The threads do not keep the process alive: what a stopped agent left is found
    again in its journal.
    """

    def __init__(self, width: int, name: str) -> None:
        self._turn = threading.Condition()
        self._ready: collections.deque[tuple[Hashable, Work]] = collections.deque()
        self._behind: dict[Hashable, collections.deque[Work]] = {}
        self._running = 0
        self._is_closed = False
        for number in range(width):
            threading.Thread(
                target=self._work, name=f"{name}-{number}", daemon=True
            ).start()

    def submit(self, key: Hashable, work: Work) -> None:
        """Run ``work`` after everything of the same key that came before."""
        with self._turn:
            if key in self._behind:
                self._behind[key].append(work)
                return
            self._behind[key] = collections.deque()
            self._ready.append((key, work))
            self._turn.notify()

    def close(self) -> None:
        """Begin nothing more."""
        with self._turn:
            self._is_closed = True
            self._turn.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait for what runs; False if it is still running."""
        end = time.monotonic() + timeout_s
        with self._turn:
            while self._running and end > time.monotonic():
                self._turn.wait(end - time.monotonic())
            return self._running == 0

    def _work(self) -> None:
        while True:
            with self._turn:
                while not self._ready and not self._is_closed:
                    self._turn.wait()
                if self._is_closed:
                    return
                key, work = self._ready.popleft()
                self._running += 1
            try:
                work()
            except Exception:
                LOG.exception("work of %s failed", key)
            with self._turn:
                self._running -= 1
                self._advance(key)

    def _advance(self, key: Hashable) -> None:
        behind = self._behind[key]
        if behind:
            self._ready.append((key, behind.popleft()))
        else:
            del self._behind[key]
        self._turn.notify_all()
