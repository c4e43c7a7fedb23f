"""Records what a probe loop tells, and waits for it."""

import threading
import time
from collections.abc import Callable, Sequence

from escalator.monitor import report


class Tape:
    """An outlet that remembers."""

    def __init__(self) -> None:
        self.failed: list[report.Failure] = []
        self.failed_at: dict[str, float] = {}
        self.returned: list[str] = []
        self.late_s: list[float] = []
        self._changed = threading.Condition()

    def judged(self, judged: report.Judged) -> None:
        with self._changed:
            self.failed += judged.failed
            self.failed_at |= {f.host: judged.at for f in judged.failed}
            self.returned += judged.returned
            self._changed.notify_all()

    def ticked(self, late_s: Sequence[float]) -> None:
        with self._changed:
            self.late_s += late_s
            self._changed.notify_all()

    def wait(self, is_enough: Callable[[], bool], timeout_s: float = 10.0) -> bool:
        """Return whether it was told in time."""
        with self._changed:
            return self._changed.wait_for(is_enough, timeout_s)

    def names(self) -> list[str]:
        return sorted(failure.host for failure in self.failed)


def wait_until(is_so: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Poll for something that cannot call back."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
