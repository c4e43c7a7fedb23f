"""The monitor: probes hosts, hears agents, publishes what it found."""

import threading
from collections.abc import Callable
from typing import Any, Protocol

from escalator.domain import events, fault
from escalator.drivers import loader
from escalator.monitor import (
    detection,
    inventory,
    lateness,
    listening,
    process,
    publishing,
    rounds,
    thread,
    watching,
)

STOP_TIMEOUT_S = 5.0
PROBES = "escalator.probe"


class Beats(Protocol):
    """``bus.heartbeat.BeatListener``."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wait(self) -> None: ...


BeatsFactory = Callable[[Callable[[events.AgentBeat], None]], Beats]


def read_law(conf: Any) -> fault.Law:
    """Return the law of detection that ``[monitor]`` asks for."""
    options = conf.monitor
    return fault.Law(
        interval_s=options.interval_s,
        misses=options.misses,
        answers=options.answers,
        storm_share=options.storm_share,
        storm_min=options.storm_min,
        storm_hold_s=options.storm_hold_s,
        flap_window_s=options.flap_window_s,
    )


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
        beats_factory: BeatsFactory,
        context: Any,
        in_process: bool = False,
    ) -> None:
        self._conf = conf
        self._in_process = in_process
        self._law = read_law(conf)
        self.lateness = lateness.Lateness(warn_s=self._law.interval_s / 2)
        self._publishing = publishing.Publishing(publisher)
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
        law = read_law(self._conf)
        if law == self._law:
            return
        with self._lock:
            self._law = law
            self._prober.stop()
            self._prober = self._make_prober()
            self._prober.start()
            self._prober.watch(self._order())

    def _make_prober(self) -> process.ProbeProcess | thread.ProbeThread:
        driver = loader.load_class(PROBES, self._conf.monitor.probe)
        if self._in_process:
            return thread.ProbeThread(driver(), self._law, self._detection)
        return process.ProbeProcess(
            f"{driver.__module__}:{driver.__qualname__}",
            self._law,
            self._conf.monitor.realtime,
            self._order,
            self._detection,
        )

    def _order(self) -> rounds.Order:
        return self._watching.order(self._detection.hosts_down())

    def _adopt(self, faults: list[events.Fault]) -> None:
        self._detection.adopt(faults)
        self._listening.adopt(faults)

    def _watch(self, hosts: inventory.Hosts) -> None:
        self._listening.expect(hosts.agents)
        with self._lock:
            self._prober.watch(self._order())
