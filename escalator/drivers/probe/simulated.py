"""Probe of the simulated fleet: every host answers unless it was killed."""

import time
from collections.abc import Callable, Mapping

from escalator.drivers import base, fleet


class Simulated(base.Probe):
    """Answers at once for the living hosts of this process's fleet."""

    def __init__(
        self,
        hosts: fleet.Fleet | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fleet = hosts if hosts is not None else fleet.fleet()
        self._clock = clock
        self._sleep = sleep
        self._targets: tuple[str, ...] = ()
        self._pending: list[base.Reply] = []

    def set_targets(self, targets: Mapping[str, str]) -> None:
        """Probe these names; their addresses do not matter."""
        self._targets = tuple(targets)

    def send(self) -> None:
        """Take every living host's answer for granted."""
        now, is_alive = self._clock(), self._fleet.is_alive
        self._pending += [base.Reply(h, now) for h in self._targets if is_alive(h)]

    def receive(self, timeout_s: float) -> list[base.Reply]:
        """Return the answers to the last probes, or wait and return none."""
        if not self._pending and timeout_s > 0:
            self._sleep(timeout_s)
        replies, self._pending = self._pending, []
        return replies

    def close(self) -> None:
        """Drop what was not read."""
        self._pending = []
