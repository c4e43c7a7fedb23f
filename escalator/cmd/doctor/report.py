"""From what was heard and written down to the verdict.  Pure but for the table."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich import console, markup, table

from escalator.cmd.doctor import consumer
from escalator.domain import events

DOWN = "DOWN"


def judge(
    injected_at: float,
    detected_at: float,
    heard: Sequence[consumer.Heard],
    fault: Mapping[str, Any],
    instances: Sequence[str],
    budget_s: float,
) -> dict[str, Any]:
    """Return one run: the notification time as run.sh has it, and OK or NG.

    :param detected_at: epoch seconds, the monitor's.
    :param instances: ids of all that had an alarm.
    :return: also ``repeated``, notices of an event that its alarm had told of, and
        ``fired_again``, those of another event: Nova's own, by way of Ceilometer.
    """
    firsts: dict[str, float] = {}
    for each in heard:
        firsts.setdefault(each.instance_id, each.at)
    taken = sorted(at - detected_at for at in firsts.values())
    told = {(each.instance_id, each.event_id) for each in heard}
    statuses = sorted({each.host_status for each in heard if each.host_status})
    lost = sorted(set(instances) - set(firsts))
    wrong = _wrong(taken, statuses, lost, budget_s)
    return {
        "is_ok": not wrong,
        "wrong": wrong,
        "notification_time_s": taken[-1] if taken else None,
        "first_s": taken[0] if taken else None,
        "cut_to_detected_s": detected_at - injected_at,
        "detected_to_handler_s": taken,
        "host_statuses": statuses,
        "lost": lost,
        "repeated": len(heard) - len(told),
        "fired_again": len(told) - len(firsts),
        "hops_ms": hops(fault, detected_at, taken),
    }


def _wrong(
    taken: Sequence[float],
    statuses: Sequence[str],
    lost: Sequence[str],
    budget_s: float,
) -> list[str]:
    wrong = []
    if lost:
        wrong.append(f"{len(lost)} alarm(s) never came, {lost[0]} among them")
    if taken and not 0 < taken[-1] < budget_s:
        wrong.append(f"the last alarm came after {taken[-1]:.3f} s")
    if statuses != [DOWN]:
        said = ", ".join(statuses) or "nothing"
        wrong.append(f"the owner read host_status {said}, not {DOWN}")
    return wrong


def hops(
    fault: Mapping[str, Any], detected_at: float, taken: Sequence[float]
) -> dict[str, float]:
    """Return every checkpoint in ms after the detection (T1 = 0).

    T6 to T8 are the latest of all notices; T9 is the consumer's own, for what
    Aodh posts nobody else sees.
    """
    times = dict(fault.get("times", {}))
    for told in fault.get("notices", []):
        for name in ("T6", "T7", "T8"):
            at = told.get("times", {}).get(name)
            if at is not None:
                times[name] = max(at, times.get(name, at))
    found = {
        name: (times[name] - detected_at) * 1e3
        for name in events.HOPS
        if name in times and name != "T9"
    }
    if taken:
        found["T9"] = taken[-1] * 1e3
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of at least one value."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def summarize(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the spread over all runs, seconds."""
    last = [run["notification_time_s"] for run in runs if run["notification_time_s"]]
    every = [at for run in runs for at in run["detected_to_handler_s"]]
    return {
        "runs": len(runs),
        "ok": sum(bool(run["is_ok"]) for run in runs),
        "lost": sum(len(run["lost"]) for run in runs),
        "repeated": sum(int(run["repeated"]) for run in runs),
        "fired_again": sum(int(run["fired_again"]) for run in runs),
        "last_s": _spread(last),
        "every_s": _spread(every),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    named = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {
        "first": min(values),
        **{name: percentile(values, share) for name, share in named.items()},
        "last": max(values),
    }


def draw(runs: Sequence[Mapping[str, Any]], budget_s: float) -> None:
    """Print a line per run, then the hops of the slowest one."""
    shown = console.Console()
    grid = table.Table(title="escalator-doctor-test")
    for heading in ("run", "cut to detected", "first alarm", "last alarm", "host"):
        grid.add_column(heading, justify="right")
    grid.add_column("verdict")
    for number, run in enumerate(runs, 1):
        grid.add_row(
            str(number),
            _ms(run["cut_to_detected_s"]),
            _ms(run["first_s"]),
            _ms(run["notification_time_s"]),
            " ".join(run["host_statuses"]),
            "[green]OK"
            if run["is_ok"]
            else f"[red]NG: {markup.escape('; '.join(run['wrong']))}",
        )
    shown.print(grid)
    slowest = max(runs, key=lambda run: run["notification_time_s"] or math.inf)
    hop_grid = table.Table(title=f"Hops of the slowest run (budget {budget_s:g} s)")
    for heading in ("checkpoint", "after detection", "meaning"):
        hop_grid.add_column(heading)
    for name, after in sorted(slowest["hops_ms"].items()):
        hop_grid.add_row(name, f"{after:9.1f} ms", events.HOPS[name])
    shown.print(hop_grid)


def _ms(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds * 1e3:.1f} ms"
