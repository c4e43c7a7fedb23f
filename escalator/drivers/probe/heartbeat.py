"""Heartbeats of the agents as a vote: a beat is an answer of its host.

An agent speaks for its host, not for one interface: it answers for all of the
host's targets.  A broker that is away silences everybody, so this probe should
never decide alone.
"""

import collections
import time
from collections.abc import Callable, Mapping

from escalator.domain import target
from escalator.drivers import base


class Heartbeat(base.Probe):
    """Sends nothing; the monitor hands it every beat."""

    is_local = True

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._targets: dict[str, tuple[str, ...]] = {}
        self._heard: collections.deque[base.Reply] = collections.deque()

    def set_targets(self, targets: Mapping[str, str]) -> None:
        """Listen for these; their addresses do not matter."""
        grouped: dict[str, list[str]] = {}
        for name in targets:
            grouped.setdefault(target.host_of(name), []).append(name)
        self._targets = {host: tuple(names) for host, names in grouped.items()}

    def hear(self, host: str) -> None:
        """Take a beat of the agent of ``host``; from any thread."""
        now = self._clock()
        self._heard.extend(base.Reply(t, now) for t in self._targets.get(host, ()))

    def send(self) -> None:
        """Do nothing: the agents beat unasked."""

    def receive(self, timeout_s: float) -> list[base.Reply]:
        """Return the beats heard since, after ``timeout_s`` if there are none."""
        if not self._heard and timeout_s > 0:
            time.sleep(timeout_s)
        return [self._heard.popleft() for _ in range(len(self._heard))]

    def close(self) -> None:
        """Drop what was not read."""
        self._heard.clear()
