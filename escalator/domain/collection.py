"""What a preflight collects: alarms, statistics and logs, and what it makes of them.

Pure.  Alarms, and open faults among them, are the conductor's own; statistics and logs
are told by the agents if the file names the check.  The report that let a campaign
start is its baseline: later ones tell the same figures beside it.  Source: V-6.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from escalator.domain import ability, plan
from escalator.domain.preflight_finding import Finding

ALARMS, STATISTICS, LOGS = "alarms", "statistics", "logs"
KINDS = (ALARMS, STATISTICS, LOGS)
TOLD = (STATISTICS, LOGS)
"""Kinds that agents tell."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """One figure.

    :ivar host: "" for one of the campaign as a whole.
    :ivar name: e.g. ``load_per_core``; of an alarm its name or the kind of fault.
    """

    kind: str
    host: str
    name: str
    value: float


def wanted(preflight: plan.Preflight) -> list[str]:
    """Return the kinds that agents are asked for."""
    return [kind for kind in TOLD if kind in preflight.checks]


def readings(
    alarms: Iterable[tuple[str, str]],
    faults: Mapping[str, Sequence[str]],
    answers: Mapping[str, ability.Answer],
) -> list[Reading]:
    """Return everything that was collected, each name of a host once."""
    names = [name for name, _ in alarms]
    found = [Reading(ALARMS, "", name, names.count(name)) for name in sorted({*names})]
    for host, kinds in sorted(faults.items()):
        for fault in sorted({*kinds}):
            found.append(Reading(ALARMS, host, fault, list(kinds).count(fault)))
    for host, answer in sorted(answers.items()):
        for kind, told in sorted(answer.collected.items()):
            for name, value in sorted(told.figures.items()):
                found.append(Reading(kind, host, name, value))
    return found


def judge(
    preflight: plan.Preflight, host: str, answer: ability.Answer | None
) -> Iterator[Finding]:
    """Judge what a host's agent told; None: it was not asked."""
    answer = answer or ability.Answer(trouble="its agent was not asked in time")
    for kind in wanted(preflight):
        told = answer.collected.get(kind, ability.Told())
        limits = preflight.limits.get(kind, {})
        lacking = sorted(set(limits) - set(told.figures))
        if not told.figures or lacking or told.trouble:
            why = answer.trouble or told.trouble
            yield _missing(host, kind, lacking if told.figures else [], why)
        for name, most in sorted(limits.items()):
            if told.figures.get(name, most) > most:
                yield Finding(
                    f"{kind}.high",
                    host,
                    f"{host}: {name} is {told.figures[name]:g},"
                    f" preflight: limits allow {most:g}",
                    "look for its cause there, or allow more",
                )


def _missing(host: str, kind: str, lacking: Sequence[str], why: str) -> Finding:
    what = f"{', '.join(lacking)} of its {kind}" if lacking else f"its {kind}"
    return Finding(
        f"{kind}.missing",
        host,
        f"{host}: {what} could not be collected: {why or 'no collector tells them'}",
        "set [agent] log_files there, or have a journal"
        if kind == LOGS and not why
        else "install the collector there, or look at the agent's log",
    )
