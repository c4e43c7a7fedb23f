"""Tells of refused reports in the log, however many there are.

Whoever guesses tokens must be seen, and must not fill the log.
"""

import threading
import time
from collections.abc import Callable

from oslo_log import log

LOG = log.getLogger(__name__)

INTERVAL_S = 10.0
_MAX_TEXT = 300


class Refusals:
    """Logs the first refusal at once, then one line for each interval.

    A line tells how many there were since the line before.  Any thread may
    use it.

    :param clock: seconds, monotonic.
    """

    def __init__(
        self,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._told_at: float | None = None

    def note(self, address: str, reason: str) -> None:
        """Count a refusal.

        :param reason: never holds the token.
        """
        with self._lock:
            self._count += 1
            now = self._clock()
            if self._told_at is not None and now - self._told_at < self._interval_s:
                return
            count, self._count, self._told_at = self._count, 0, now
        LOG.warning(
            "Reports of alarms are refused: %d since the last such line;"
            " the latest from %s: %r",
            count,
            address,
            reason[:_MAX_TEXT],
        )
