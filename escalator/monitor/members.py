"""Which monitors live, as their beats on the broker tell.

The broker is the right witness: a monitor that can not reach it can tell no
fault, so it is no member.  Who hears not even its own beats is deaf, and
expels nobody for it.
"""

import threading
import time
from collections.abc import Callable

from oslo_log import log as logging

from escalator.domain import events

LOG = logging.getLogger(__name__)

CAPABILITY = "monitor"
"""Marks a monitor's beat among those of the agents."""

READY_INTERVALS = 2
"""After its own first beat came back a monitor listens so long for others."""


class Members:
    """The living monitors, this one included; thread-safe.

    :param name: unique among the monitors.
    :param send: puts a beat on the bus; False if it could not.
    :param timeout_s: silence that ends a membership.
    :param changed: called, from any thread, when :attr:`generation` changed.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[events.AgentBeat], bool],
        interval_s: float,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.generation = 0
        self.changed: Callable[[], None] = lambda: None
        self._send = send
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._clock = clock
        self._began = clock()
        self._heard: dict[str, float] = {}
        self._told: tuple[str, ...] = ()
        self._ready_at = self._began + timeout_s
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="monitor-members", daemon=True
        )

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Take leave: the others need not wait for the timeout."""
        self._stopping.set()
        self._send(self._beat(0.0))

    def names(self) -> tuple[str, ...]:
        """Return all members by name; none before this one is ready."""
        with self._lock:
            return self._told

    def others(self) -> tuple[str, ...]:
        """Return all members but this one."""
        return tuple(name for name in self.names() if name != self.name)

    def hear(self, beat: events.AgentBeat) -> bool:
        """Take a beat; returns False if it is not a monitor's."""
        if CAPABILITY not in beat.capabilities:
            return False
        now = self._clock()
        with self._lock:
            if beat.interval_s <= 0:
                self._heard.pop(beat.agent, None)
            else:
                if beat.agent == self.name and self.name not in self._heard:
                    soon = now + READY_INTERVALS * self._interval_s
                    self._ready_at = min(self._ready_at, soon)
                self._heard[beat.agent] = now
        self.review()
        return True

    def review(self) -> None:
        """Expel who fell silent and tell if the membership changed."""
        now = self._clock()
        with self._lock:
            own = self._heard.get(self.name, self._began)
            if now - own <= 2 * self._interval_s:
                self._heard = {
                    name: at
                    for name, at in self._heard.items()
                    if now - at <= self._timeout_s
                }
            if now < self._ready_at:
                return
            told = tuple(sorted({self.name, *self._heard}))
            if told == self._told:
                return
            self._told = told
            self.generation += 1
        LOG.info("Monitors that share the hosts: %s", ", ".join(told))
        self.changed()

    def _beat(self, interval_s: float) -> events.AgentBeat:
        return events.AgentBeat(
            self.name, self.name, (CAPABILITY,), {}, time.time(), interval_s
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._send(self._beat(self._interval_s))
                self.review()
            except Exception:
                LOG.exception("A monitor's beat failed")
            self._stopping.wait(self._interval_s)
