"""The monitor: probes hosts, hears agents, publishes what it found."""

import threading
from typing import Any

from escalator.domain import events
from escalator.monitor import (
    detection,
    inventory,
    lateness,
    listening,
    prober,
    publishing,
    rounds,
    watching,
)

STOP_TIMEOUT_S = 5.0


class MonitorService:
    """Plugs the parts together; has no database (RU-2).

    :param publisher: ``bus.events.EventPublisher``.
    :param beats_factory: makes the listener for the given handler.
    :param in_process: probe from a thread: only for the embedded service,
        whose simulated hosts live in the same process.
    """

    def __init__(
        self,
        conf: Any,
        publisher: publishing.Publisher,
        beats_factory: listening.BeatsFactory,
        context: Any,
        in_process: bool = False,
    ) -> None:
        self._conf = conf
        self._in_process = in_process
        self._law = prober.read_law(conf)
        self.lateness = lateness.Lateness(warn_s=self._law.interval_s / 2)
        self._publishing = publishing.Publishing(
            publisher, conf.monitor.realtime and not in_process
        )
        self._detection = detection.Detection(self._publishing, self.lateness)
        self._listening = listening.Listening(
            self._detection,
            conf.monitor.agent_beats_missed,
            conf.agent.heartbeat_interval_s,
        )
        self._watching = watching.Watching(
            inventory.Inventory(context),
            conf.monitor.inventory_interval_s,
            self._adopt,
            self._watch,
            self._listening.prove,
        )
        self._beats = beats_factory(self._listening.take)
        self._lock = threading.Lock()
        self._prober = self._make_prober()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start watching.

        :raises ConfigError: the probe may not be used here.
        """
        self._publishing.start()
        self._prober.start()
        self._beats.start()
        self._listening.start()
        self._watching.start()

    def stop(self) -> None:
        """Stop watching; verdicts already found are still published."""
        self._watching.stop()
        self._listening.stop()
        self._beats.stop()
        with self._lock:
            self._prober.stop()
        self._publishing.stop(STOP_TIMEOUT_S)
        self._stopped.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; returns False if it did not come in time."""
        if not self._stopped.wait(timeout_s):
            return False
        self._beats.wait()
        return True

    def reload(self) -> None:
        """Follow a changed law of detection; open faults stay open."""
        law = prober.read_law(self._conf)
        if law == self._law:
            return
        with self._lock:
            self._law = law
            self._prober.stop()
            self._prober = self._make_prober()
            self._prober.start()

    def _make_prober(self) -> prober.Prober:
        return prober.make(
            self._conf, self._law, self._order, self._detection, self._in_process
        )

    def _order(self) -> rounds.Order:
        return self._watching.order(self._detection.hosts_down())

    def _adopt(self, faults: list[events.Fault]) -> None:
        self._detection.adopt(faults)
        self._listening.adopt(faults)

    def _watch(self, hosts: inventory.Hosts) -> None:
        self._listening.expect(hosts.agents)
        with self._lock:
            self._prober.refresh()
