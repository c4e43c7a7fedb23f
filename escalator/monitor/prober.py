"""Where the probe loops run: a process of its own each, or a thread."""

from collections.abc import Callable
from typing import Any

from escalator.domain import fault
from escalator.drivers import loader
from escalator.monitor import process, report, rounds, thread

NAMESPACE = "escalator.probe"

Prober = process.ProbeProcess | thread.ProbeThread


def read_law(conf: Any, probe: str = "") -> fault.Law:
    """Return the law of detection that ``[monitor]`` asks for.

    The first of ``probes`` sets the pace; the others have one of their own.
    """
    options = conf.monitor
    is_first = not probe or probe == options.probes[0]
    return fault.Law(
        interval_s=options.interval_s if is_first else options.other_interval_s,
        misses=options.misses,
        answers=options.answers,
        storm_share=options.storm_share,
        storm_min=options.storm_min,
        storm_hold_s=options.storm_hold_s,
        flap_window_s=options.flap_window_s,
    )


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
    if in_process:
        return thread.ProbeThread(driver(**options), law, read_order, outlet)
    return process.ProbeProcess(
        f"{driver.__module__}:{driver.__qualname__}",
        law,
        conf.monitor.realtime,
        read_order,
        outlet,
        options,
    )
