"""What alarm standards call a fault.  Pure.

Event types and probable causes are those of ITU-T X.733 (``indeterminate`` that of
M.3100); times, root cause and correlation are those of the ``Alarm`` of ETSI GS
NFV-IFA 005/006: raised, changed, cleared, observed.
"""

import dataclasses
from collections.abc import Iterable, Mapping

from escalator.domain import events

OTHER = ("equipmentAlarm", "indeterminate")

CAUSES: Mapping[str, tuple[str, str]] = {
    "host.down": ("equipmentAlarm", "equipmentMalfunction"),
    "link.down": ("communicationsAlarm", "lossOfSignal"),
    "agent.silent": ("communicationsAlarm", "communicationsSubsystemFailure"),
    "monitor.isolated": ("communicationsAlarm", "communicationsSubsystemFailure"),
    "service.failed": ("processingErrorAlarm", "softwareProgramAbnormallyTerminated"),
    "alarm": ("qualityOfServiceAlarm", "thresholdCrossed"),
}
"""Fault type -> event type and probable cause."""

_ROOT_FIRST = (
    "host.down",
    "link.down",
    "service.failed",
    "agent.silent",
    "monitor.isolated",
    "alarm",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Occurrence:
    """A fault as far as correlation goes.

    :ivar raised_at: epoch seconds.
    :ivar cleared_at: epoch seconds; None while it lasts.
    """

    id: str
    host: str
    fault_type: str
    raised_at: float
    cleared_at: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Correlation:
    """:ivar ids: of other faults of the same host at the same time, sorted."""

    is_root_cause: bool
    ids: tuple[str, ...]


def event_type(fault_type: str) -> str:
    """Return X.733's event type."""
    return CAUSES.get(fault_type, OTHER)[0]


def probable_cause(fault_type: str) -> str:
    """Return X.733's probable cause; ``indeterminate`` for a type not known."""
    return CAUSES.get(fault_type, OTHER)[1]


def correlate_told(
    event: events.HostMarkedDown | events.HostMarkedUp | events.ImpactCorroborated,
) -> dict[str, Correlation]:
    """Return the correlation of an event's faults, those told before included."""
    faults = (*(impact.fault for impact in event.impacts), *event.others)
    return correlate(occurrences(faults))


def occurrences(faults: Iterable[events.Fault]) -> list[Occurrence]:
    """Return faults that are raised, for :func:`correlate`."""
    return [
        Occurrence(f.id, f.host, f.fault_type, f.times.get("T0", 0.0)) for f in faults
    ]


def correlate(found: Iterable[Occurrence]) -> dict[str, Correlation]:
    """Return by fault id which other faults have to do with it.

    Faults of one host that last at the same time belong together.  The root
    cause is the one that explains most: a dead host explains its links, these
    its agent.  Alone, each is its own root cause.  Independent of the order.
    """
    by_host: dict[str, list[Occurrence]] = {}
    for each in found:
        by_host.setdefault(each.host, []).append(each)
    result = {}
    for together in by_host.values():
        for each in together:
            others = [o for o in together if o.id != each.id and _overlap(each, o)]
            result[each.id] = Correlation(
                is_root_cause=all(_rank(each) <= _rank(o) for o in others),
                ids=tuple(sorted(o.id for o in others)),
            )
    return result


def _overlap(one: Occurrence, two: Occurrence) -> bool:
    first, second = sorted((one, two), key=lambda each: each.raised_at)
    return first.cleared_at is None or first.cleared_at > second.raised_at


def _rank(each: Occurrence) -> int:
    kinds = _ROOT_FIRST
    return kinds.index(each.fault_type) if each.fault_type in kinds else len(kinds)
