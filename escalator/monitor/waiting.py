"""What is to be looked at again, when, and the thread that looks."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

AFTER_FAILURE_S = 1.0


class Waiting:
    """Names with a due time each; thread-safe.

    :param look: called with those that are due.  They stay due until it drops
        them or puts them off.
    """

    def __init__(self, look: Callable[[Sequence[str]], None]) -> None:
        self._look = look
        self._due: dict[str, float] = {}
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(
            target=self._run, name="monitor-weighing", daemon=True
        )

    def start(self) -> None:
        """Start to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a look under way is not waited for."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()

    def put(self, name: str, delay_s: float, is_moved: bool = True) -> None:
        """Look at ``name`` in ``delay_s``.

        :param is_moved: False keeps an earlier due time.
        """
        with self._changed:
            if is_moved or name not in self._due:
                self._due[name] = time.monotonic() + delay_s
                self._changed.notify()

    def drop(self, name: str) -> None:
        """Do not look at ``name`` any more."""
        with self._changed:
            self._due.pop(name, None)

    def keep(self, names: Iterable[str]) -> list[str]:
        """Drop all but ``names``; returns what was dropped."""
        kept = frozenset(names)
        with self._changed:
            gone = [name for name in self._due if name not in kept]
            for name in gone:
                del self._due[name]
        return gone

    def _run(self) -> None:
        while names := self._next():
            try:
                self._look(names)
            except Exception:
                LOG.exception("Weighing failed; it is repeated")
                with self._changed:
                    self._changed.wait_for(lambda: self._is_stopping, AFTER_FAILURE_S)

    def _next(self) -> list[str]:
        """Wait for what is due; returns nothing at the end."""
        with self._changed:
            while not self._is_stopping:
                now = time.monotonic()
                due = [name for name, at in self._due.items() if at <= now]
                if due:
                    return due
                first = min(self._due.values(), default=None)
                self._changed.wait(None if first is None else first - now)
        return []
