"""Faults joined with the map of instances: who is affected.  Pure (DR-5)."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence

from escalator.domain import events

Map = Mapping[str, tuple[events.AffectedInstance, ...]]
"""Host name -> the instances on it."""

TAKES_HOST_DOWN = frozenset(
    {events.FaultType.HOST_DOWN.value, events.FaultType.LINK_DOWN.value}
)
"""The inspector forces the host down in the VIM and the conductor lets campaigns
react; other faults are told and kept, but the host stays up for them."""

_MARKING = frozenset({"T3", "T4"})


def hosts_to_mark(faults: Iterable[events.Fault]) -> list[str]:
    """Return the hosts that such faults take down, each once."""
    return sorted({f.host for f in faults if f.fault_type in TAKES_HOST_DOWN})


def assess(
    faults: Sequence[events.Fault],
    where: Map,
    marked_down: Collection[str],
    times: Mapping[str, float],
) -> tuple[events.Impact, ...]:
    """Return what each fault means, in the order of the faults.

    :param marked_down: hosts that the VIM is known to show as down.
    :param times: ``T2`` and later, the same for all faults of one event; a host
        that is not marked has none of the marking's.
    """
    return tuple(_assess(fault, where, marked_down, times) for fault in faults)


def _assess(
    fault: events.Fault,
    where: Map,
    marked_down: Collection[str],
    times: Mapping[str, float],
) -> events.Impact:
    takes_down = fault.fault_type in TAKES_HOST_DOWN
    is_marked = takes_down and fault.host in marked_down
    reached = {k: at for k, at in times.items() if is_marked or k not in _MARKING}
    return events.Impact(
        fault=fault,
        instances=where.get(fault.host, ()) if takes_down else (),
        is_marked_down=is_marked,
        times={**fault.times, **reached},
    )


def down(
    fact: events.FaultConfirmed,
    where: Map,
    marked_down: Collection[str],
    times: Mapping[str, float],
    others: tuple[events.Fault, ...] = (),
) -> events.HostMarkedDown:
    """Return what is told of ``fact``; the same id for every repeat of it.

    :param others: further open faults of its hosts.
    """
    return events.HostMarkedDown(
        event_id=effect_id(fact.event_id, "impact"),
        impacts=assess(fact.faults, where, marked_down, times),
        others=others,
    )


def up(
    fact: events.FaultCleared,
    where: Map,
    still_down: Collection[str],
    times: Mapping[str, float],
    others: tuple[events.Fault, ...] = (),
) -> events.HostMarkedUp:
    """Return what is told of ``fact``; the same id for every repeat of it.

    :param still_down: hosts that the VIM may still show as down.
    :param others: further open faults of its hosts.
    """
    return events.HostMarkedUp(
        event_id=effect_id(fact.event_id, "impact"),
        impacts=assess(fact.faults, where, still_down, times),
        cleared_at=fact.cleared_at,
        others=others,
    )


def corroborated(
    fact: events.FaultCorroborated,
    where: Map,
    marked_down: Collection[str],
    times: Mapping[str, float],
    others: tuple[events.Fault, ...] = (),
) -> events.ImpactCorroborated:
    """Return what is told of ``fact``; the same id for every repeat of it.

    :param others: further open faults of its hosts.
    """
    return events.ImpactCorroborated(
        event_id=effect_id(fact.event_id, "impact"),
        impacts=assess(fact.faults, where, marked_down, times),
        before=fact.before,
        corroborated_at=fact.corroborated_at,
        others=others,
    )


def effect_id(event_id: str, effect: str) -> str:
    """Return the id of a fact that follows from another one."""
    return str(uuid.uuid5(uuid.UUID(event_id), effect))
