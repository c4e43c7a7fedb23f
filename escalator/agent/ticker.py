"""Calls something again and again in a thread of its own."""

import logging
import threading
from collections.abc import Callable

LOG = logging.getLogger(__name__)


class Ticker:
    """Calls ``tick`` at once and then every ``interval_s`` seconds."""

    def __init__(self, name: str, interval_s: float, tick: Callable[[], None]) -> None:
        self._interval_s = interval_s
        self._tick = tick
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tick no more; idempotent."""
        self._is_over.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the thread's end; False if it does not end in time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                self._tick()
            except Exception:
                LOG.exception("%s", self._thread.name)
            self._is_over.wait(self._interval_s)
