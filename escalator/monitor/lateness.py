"""How late the monitor itself is: a detector that stalls must say so."""

import collections
import threading
import time
from collections.abc import Callable, Sequence

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

WINDOW_TICKS = 6000
LOG_EVERY_S = 60.0


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank quantile of sorted values, 0.0 of none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Lateness:
    """Keeps the lateness of the latest ticks; logs it once a minute.

    :param warn_s: a 99th percentile above this is logged as a warning.
    """

    def __init__(
        self, warn_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._warn_s = warn_s
        self._clock = clock
        self._logged_at = clock()
        self._lock = threading.Lock()
        self._late_s: collections.deque[float] = collections.deque(maxlen=WINDOW_TICKS)

    def add(self, late_s: Sequence[float]) -> None:
        """Take the lateness of some ticks, seconds each."""
        with self._lock:
            self._late_s.extend(late_s)
        if self._clock() - self._logged_at >= LOG_EVERY_S:
            self._logged_at = self._clock()
            self._log(self.summary())

    def summary(self) -> dict[str, float]:
        """Return ticks, p50_ms, p99_ms and max_ms of the window."""
        with self._lock:
            ordered = sorted(self._late_s)
        return {
            "ticks": len(ordered),
            "p50_ms": round(quantile(ordered, 0.5) * 1000, 3),
            "p99_ms": round(quantile(ordered, 0.99) * 1000, 3),
            "max_ms": round(quantile(ordered, 1.0) * 1000, 3),
        }

    def _log(self, summary: dict[str, float]) -> None:
        is_bad = summary["p99_ms"] > self._warn_s * 1000
        LOG.log(
            logging.WARNING if is_bad else logging.INFO,
            "Probe loop lateness over %(ticks)d ticks: p50 %(p50_ms).2f ms, "
            "p99 %(p99_ms).2f ms, max %(max_ms).2f ms",
            summary,
        )
