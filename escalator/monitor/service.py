"""The monitor: probes hosts, hears agents, publishes what it found."""

import threading
from typing import Any

from escalator.domain import events, panel
from escalator.monitor import company as companies
from escalator.monitor import (
    detection,
    inventory,
    lateness,
    listening,
    publishing,
    sharing,
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
    :param company: the other monitors; None if there are none.
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
        company: companies.Company | None = None,
    ) -> None:
        self._conf = conf
        self._in_process = in_process
        self._laws = probers.read_laws(conf)
        interval_s = self._laws[0].interval_s
        self.lateness = lateness.Lateness(warn_s=interval_s / 2)
        self._publishing = publishing.Publishing(
            publisher, conf.monitor.realtime and not in_process
        )
        self._detection = detection.Detection(
            self._publishing, self.lateness, watched=frozenset(conf.monitor.faults)
        )
        stock = inventory.Inventory(context)
        self._company = company
        self._sharing = sharing.Sharing(company.members if company else None)
        self._hosts = inventory.Hosts({}, frozenset())
        self._targets: dict[str, str] = {}
        self._weighing = weighing.Weighing(
            panel.Panel(conf.monitor.probes, conf.monitor.votes),
            self._detection,
            SETTLE_ROUNDS * interval_s,
            companies.make_doubt(
                company, self._detection, context, conf.monitor.storm_alone == "tell"
            ),
            windows.Windows(
                lambda host: host in self._hosts.worked_on, stock.read_window
            ),
            self._sharing.is_mine,
        )
        self._listening = listening.Listening(
            self._detection,
            conf.monitor.agent_beats_missed,
            conf.agent.heartbeat_interval_s,
            self._weighing.covered,
            self._sharing.is_mine,
        )
        self._watching = watching.Watching(
            stock,
            conf.monitor.inventory_interval_s,
            self._watch,
            self._listening.prove,
            lambda: company.members.generation if company else 0,
        )
        self._beats = beats_factory(self._hear)
        self._lock = threading.Lock()
        self._probers = self._make_probers()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start watching.

        :raises ConfigError: the probe may not be used here.
        """
        self._publishing.start()
        self._weighing.start()
        self._probers.start()
        self._beats.start()
        self._listening.start()
        if self._company is not None:
            self._company.members.changed = self._watching.wake
            self._company.members.start()
        self._watching.start()

    def stop(self) -> None:
        """Stop watching; verdicts already found are still published."""
        if self._company is not None:
            self._company.members.stop()
        self._watching.stop()
        self._listening.stop()
        self._beats.stop()
        with self._lock:
            self._probers.stop()
        self._weighing.stop()
        self._publishing.stop(STOP_TIMEOUT_S)
        self._stopped.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; returns False if it did not come in time."""
        if not self._stopped.wait(timeout_s):
            return False
        self._beats.wait()
        return True

    def figures(self) -> dict[str, dict[str, float]]:
        """Return how late the probe loop was."""
        return {"probe_loop.lateness": self.lateness.summary()}

    def endpoint(self) -> companies.Endpoint:
        """Return what the other monitors may call."""
        return companies.Endpoint(self._weighing.look)

    def reload(self) -> None:
        """Follow a changed law of detection; open faults stay open."""
        laws = probers.read_laws(self._conf)
        if laws == self._laws:
            return
        with self._lock:
            self._laws = laws
            self._probers.stop()
            self._probers = self._make_probers()
            self._probers.start()

    def _make_probers(self) -> probers.Probers:
        return probers.Probers(
            self._conf, lambda: self._targets, self._weighing, self._in_process
        )

    def _watch(self, hosts: inventory.Hosts, raised: list[events.Fault] | None) -> None:
        """Take the inventory, and this monitor's part of it.

        Hosts taken over are believed to be as they were told, or, if this
        monitor has watched them as the second one, as it finds them.
        """
        was_mine, was_watched = self._sharing.mine, self._sharing.watched
        self._hosts = hosts
        self._detection.most_probes = hosts.most_probes
        targets = self._targets = self._sharing.divide(hosts.targets)
        fresh = self._sharing.mine - was_mine
        if raised is not None:
            self._detection.adopt(raised, self._sharing.is_ours)
            self._listening.adopt(filter(self._sharing.is_ours, raised))
        self._weighing.watch(targets)
        self._weighing.adopt(raised or [], fresh - was_watched)
        self._listening.expect(hosts.agents)
        with self._lock:
            self._probers.refresh()
        self._weighing.compare(fresh & was_watched)

    def _hear(self, beat: events.AgentBeat) -> None:
        if self._company is None or not self._company.members.hear(beat):
            self._probers.hear(beat.host)
            self._listening.take(beat)
