"""Where the probe loops run: a process of its own each, or a thread."""

from collections.abc import Callable, Mapping
from typing import Any

from escalator.domain import fault
from escalator.drivers import loader
from escalator.monitor import process, report, rounds, thread, weighing

NAMESPACE = "escalator.probe"
HEARTBEAT = "heartbeat"
"""This probe can not be faster than the agents beat."""

Prober = process.ProbeProcess | thread.ProbeThread


def read_law(conf: Any, probe: str) -> fault.Law:
    """Return the law of detection that ``[monitor]`` asks of ``probe``.

    The first of ``probes`` sets the pace; the others have one of their own.

    :raises NoSuchDriver: it is not installed.
    """
    options = conf.monitor
    driver = loader.load_class(NAMESPACE, probe)
    is_first = probe == options.probes[0]
    interval_s = options.interval_s if is_first else options.other_interval_s
    if probe == HEARTBEAT:
        interval_s = max(interval_s, conf.agent.heartbeat_interval_s)
    return fault.Law(
        interval_s=interval_s,
        misses=options.misses if driver.misses is None else driver.misses,
        answers=options.answers,
        storm_share=options.storm_share,
        storm_min=options.storm_min,
        storm_hold_s=options.storm_hold_s,
        flap_window_s=options.flap_window_s,
    )


def read_laws(conf: Any) -> tuple[fault.Law, ...]:
    """Return the law of each of ``[monitor] probes``, the first one first."""
    return tuple(read_law(conf, probe) for probe in conf.monitor.probes)


def make(
    conf: Any,
    probe: str,
    law: fault.Law,
    read_order: Callable[[], rounds.Order],
    outlet: report.Outlet,
    in_process: bool,
) -> Prober:
    """Return the loop, not started, of one of ``[monitor] probes``.

    :raises NoSuchDriver: it is not installed.
    :raises ConfigError: it may not be used here.
    """
    driver = loader.load_class(NAMESPACE, probe)
    options = {name: conf.monitor[name] for name in driver.options}
    if in_process or driver.is_local:
        return thread.ProbeThread(driver(**options), law, read_order, outlet)
    return process.ProbeProcess(
        f"{driver.__module__}:{driver.__qualname__}",
        law,
        conf.monitor.realtime,
        read_order,
        outlet,
        options,
    )


class Probers:
    """One loop for each of ``[monitor] probes``.

    :param read_targets: target -> address.
    """

    def __init__(
        self,
        conf: Any,
        read_targets: Callable[[], Mapping[str, str]],
        jury: weighing.Weighing,
        in_process: bool,
    ) -> None:
        def make_one(probe: str) -> Prober:
            return make(
                conf,
                probe,
                read_law(conf, probe),
                lambda: rounds.Order(read_targets(), jury.lost(probe)),
                jury.outlet(probe),
                in_process,
            )

        self.loops = [make_one(probe) for probe in conf.monitor.probes]

    def start(self) -> None:
        """Start all.

        :raises ConfigError: one may not be used here.
        """
        for loop in self.loops:
            loop.start()

    def hear(self, host: str) -> None:
        """Let the probes that listen know of an agent's beat."""
        for loop in self.loops:
            if isinstance(loop, thread.ProbeThread):
                loop.probe.hear(host)

    def refresh(self) -> None:
        """Let all follow changed targets."""
        for loop in self.loops:
            loop.refresh()

    def stop(self) -> None:
        """End all; their last reports are taken."""
        for loop in self.loops:
            loop.stop()
