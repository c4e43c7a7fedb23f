"""The monitor: probes hosts, hears agents, publishes what it found."""

import threading
from typing import Any

from escalator.domain import events, panel, target
from escalator.monitor import (
    detection,
    inventory,
    lateness,
    listening,
    publishing,
    rounds,
    watching,
    weighing,
    windows,
)
from escalator.monitor import prober as probers

STOP_TIMEOUT_S = 5.0

SETTLE_ROUNDS = 2
"""Interfaces that fail or return together may be judged a round apart."""


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
        self._law = probers.read_law(conf)
        self.lateness = lateness.Lateness(warn_s=self._law.interval_s / 2)
        self._publishing = publishing.Publishing(
            publisher, conf.monitor.realtime and not in_process
        )
        self._detection = detection.Detection(
            self._publishing, self.lateness, watched=frozenset(conf.monitor.faults)
        )
        stock = inventory.Inventory(context)
        self._hosts = inventory.Hosts({}, frozenset())
        self._weighing = weighing.Weighing(
            panel.Panel(conf.monitor.probes, conf.monitor.votes),
            self._detection,
            SETTLE_ROUNDS * self._law.interval_s,
            expected=windows.Windows(
                lambda host: host in self._hosts.worked_on, stock.read_window
            ),
        )
        self._listening = listening.Listening(
            self._detection,
            conf.monitor.agent_beats_missed,
            conf.agent.heartbeat_interval_s,
            self._weighing.covered,
        )
        self._watching = watching.Watching(
            stock,
            conf.monitor.inventory_interval_s,
            self._watch,
            self._listening.prove,
        )
        self._beats = beats_factory(self._listening.take)
        self._lock = threading.Lock()
        self._probers = self._make_probers()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start watching.

        :raises ConfigError: the probe may not be used here.
        """
        self._publishing.start()
        self._weighing.start()
        for prober in self._probers:
            prober.start()
        self._beats.start()
        self._listening.start()
        self._watching.start()

    def stop(self) -> None:
        """Stop watching; verdicts already found are still published."""
        self._watching.stop()
        self._listening.stop()
        self._beats.stop()
        with self._lock:
            for prober in self._probers:
                prober.stop()
        self._weighing.stop()
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
        law = probers.read_law(self._conf)
        if law == self._law:
            return
        with self._lock:
            self._law = law
            for prober in self._probers:
                prober.stop()
            self._probers = self._make_probers()
            for prober in self._probers:
                prober.start()

    def _make_probers(self) -> list[probers.Prober]:
        return [self._make_prober(probe) for probe in self._conf.monitor.probes]

    def _make_prober(self, probe: str) -> probers.Prober:
        return probers.make(
            self._conf,
            probe,
            probers.read_law(self._conf, probe),
            lambda: rounds.Order(self._hosts.targets, self._weighing.lost(probe)),
            self._weighing.outlet(probe),
            self._in_process,
        )

    def _watch(self, hosts: inventory.Hosts, raised: list[events.Fault] | None) -> None:
        known = {target.host_of(name) for name in self._hosts.targets}
        self._hosts = hosts
        if raised is not None:
            self._detection.adopt(raised)
            self._listening.adopt(raised)
        self._weighing.watch(hosts.targets)
        fresh = {target.host_of(name) for name in hosts.targets} - known
        self._weighing.adopt(raised or [], fresh)
        self._listening.expect(hosts.agents)
        with self._lock:
            for prober in self._probers:
                prober.refresh()
