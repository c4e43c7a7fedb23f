"""Faults joined with the map of instances: who is affected.  Pure (DR-5)."""

from collections.abc import Mapping, Sequence

from escalator.domain import events

Map = Mapping[str, tuple[events.AffectedInstance, ...]]
"""Host name -> the instances on it."""

TAKES_HOST_DOWN = frozenset(
    {events.FaultType.HOST_DOWN.value, events.FaultType.LINK_DOWN.value}
)
"""Other faults are told, but the host is not forced down for them."""


def hosts_to_mark(faults: Sequence[events.Fault]) -> list[str]:
    """Return the hosts that have to be marked down, each once."""
    return sorted({f.host for f in faults if f.fault_type in TAKES_HOST_DOWN})


def assess(
    faults: Sequence[events.Fault],
    where: Map,
    is_marked_down: bool,
    times: Mapping[str, float],
) -> tuple[events.Impact, ...]:
    """Return what each fault means.

    :param times: ``T2`` and later, the same for all faults of one event.
    """
    return tuple(
        events.Impact(
            fault=fault,
            instances=where.get(fault.host, ())
            if fault.fault_type in TAKES_HOST_DOWN
            else (),
            is_marked_down=is_marked_down and fault.fault_type in TAKES_HOST_DOWN,
            times={**fault.times, **times},
        )
        for fault in faults
    )
