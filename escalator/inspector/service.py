"""The inspector: from a fault to those it affects (Doctor steps 3 and 4)."""

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from escalator import errors
from escalator.domain import events, impact
from escalator.drivers import base
from escalator.inspector import mapping, marking

LOG = logging.getLogger(__name__)

POOL = "inspector"
MAX_BATCH = 50
_MAP_WAIT_S = 10.0


class Publisher(Protocol):
    def publish(self, event: events.Event) -> None: ...


class InspectorService:
    """Takes confirmed faults, marks the hosts, publishes the impact.

    A fact is acknowledged after its impact was confirmed by the broker: at
    least once.  The impact's event id follows from the fault's, so a repeat
    can be dropped by its receivers.

    :param listener_factory: (pool, handlers, max_batch) -> listener.
    """

    def __init__(
        self,
        conf: Any,
        vim: base.Vim,
        publisher: Publisher,
        listener_factory: Callable[..., Any],
        context: Any,
    ) -> None:
        self.mapping = mapping.Mapping(vim, conf.inspector.map_interval_s)
        self.marking = marking.Marking(vim, conf.inspector.mark_down_timeout_s)
        self.publisher = publisher
        handlers: Mapping[type, Callable[[Sequence[Any]], None]] = {
            events.FaultConfirmed: self._confirmed,
            events.FaultCleared: self._cleared,
        }
        self._listener = listener_factory(POOL, handlers, MAX_BATCH)

    def start(self) -> None:
        """Read the map first, then listen."""
        self.mapping.start()
        if not self.mapping.wait_ready(_MAP_WAIT_S):
            LOG.warning("No map yet: faults are told without their instances")
        self._listener.start()

    def stop(self) -> None:
        """Take nothing new."""
        self._listener.stop()

    def wait(self, timeout_s: float = 10.0) -> None:
        """Finish what is under way."""
        self._listener.wait(timeout_s)
        self.mapping.stop()
        self.marking.stop()

    def _confirmed(self, deliveries: Sequence[Any]) -> None:
        for delivery in deliveries:
            self.inspect(delivery.event)

    def inspect(self, event: events.FaultConfirmed) -> None:
        """Map, mark down, publish one event for all hosts.

        :raises BusUnavailable: the fault is delivered again.
        """
        where = self.mapping.where
        times = {"T2": time.time()}
        hosts = impact.hosts_to_mark(event.faults)
        is_marked = self._mark(hosts, True)
        times["T3"] = times["T4"] = time.time()
        times["T5"] = time.time()
        self.publisher.publish(
            events.HostMarkedDown(
                event_id=_caused_by(event.event_id),
                impacts=impact.assess(event.faults, where, is_marked, times),
            )
        )

    def _mark(self, hosts: list[str], is_down: bool) -> bool:
        try:
            return self.marking.mark(hosts, is_down)
        except errors.EscalatorError as error:
            LOG.error("The VIM refused to mark %s: %s", ", ".join(hosts), error)
            return False

    def _cleared(self, deliveries: Sequence[Any]) -> None:
        for delivery in deliveries:
            event = delivery.event
            self._mark(impact.hosts_to_mark(event.faults), False)
            times = {"T5": time.time()}
            self.publisher.publish(
                events.HostMarkedUp(
                    event_id=_caused_by(event.event_id),
                    impacts=impact.assess(
                        event.faults, self.mapping.where, False, times
                    ),
                    cleared_at=event.cleared_at,
                )
            )


def _caused_by(event_id: str) -> str:
    return str(uuid.uuid5(uuid.UUID(event_id), "impact"))
