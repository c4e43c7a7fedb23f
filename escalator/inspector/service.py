"""The inspector: from a fault to those it affects (Doctor steps 3 and 4)."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from escalator import realtime
from escalator.domain import events, impact
from escalator.drivers import base
from escalator.inspector import (
    adopting,
    checkpoints,
    holding,
    mapping,
    marking,
    standing,
    watch,
)

LOG = logging.getLogger(__name__)

POOL = "inspector"
MAX_BATCH = 50
_MAP_WAIT_S = 10.0


class Publisher(Protocol):
    def publish(self, event: events.Event) -> None: ...


class InspectorService:
    """Takes confirmed faults, marks the hosts, publishes the impact.

    A fact is acknowledged after its impact was confirmed by the broker and the
    VIM has marked its hosts: at least once, and one that fails takes no other
    of its batch with it.  The impact's event id follows from the fault's, so a
    repeat can be dropped by its receivers.

    :param context: for asking the conductor which faults were raised before; None:
        it is not asked.
    :param listener_factory: as ``bus.events.EventListener`` without the first.
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
        self.publisher = publisher
        self._standing = standing.Standing()
        self._checkpoints = checkpoints.Checkpoints(
            publisher, self._standing, vim.waits_for_states
        )
        self.marking = marking.Marking(
            vim, conf.inspector.mark_down_timeout_s, self._checkpoints.marked
        )
        handlers: Mapping[type, Callable[[Sequence[Any]], None]] = {
            events.FaultConfirmed: self._confirmed,
            events.FaultCleared: self._cleared,
            events.FaultCorroborated: self._corroborated,
        }
        self._adopting: adopting.Adopting | None = None
        if context is not None:
            self._adopting = adopting.Adopting(context, self._standing, self.marking)
        self._is_realtime: bool = conf.inspector.realtime
        self._held = holding.Holding(self.marking, conf.bus.prefetch // 2)
        self._listener = listener_factory(POOL, handlers, MAX_BATCH, True)
        others = watch.Watch(self._standing, self.marking)
        self._watcher = listener_factory(
            watch.POOL, others.handlers(), MAX_BATCH, False, watch.PATIENCE_S
        )

    def start(self) -> None:
        """Read the map first, then listen."""
        self._checkpoints.start()
        self.marking.vim.begin_marking(self._checkpoints.states_set)
        self.mapping.start()
        if not self.mapping.wait_ready(_MAP_WAIT_S):
            LOG.warning("No map yet: faults wait for it with the broker")
        self._watcher.start()
        with realtime.threads(self._is_realtime):
            self._listener.start()
        if self._adopting is not None:
            self._adopting.start()

    def stop(self) -> None:
        """Take nothing new."""
        if self._adopting is not None:
            self._adopting.stop()
        self._listener.stop()
        self._watcher.stop()

    def wait(self, timeout_s: float = 10.0) -> None:
        """Finish what is under way; facts with a mark missing come again."""
        self._held.give_back()
        self._listener.wait(timeout_s)
        self._watcher.wait(timeout_s)
        self.mapping.stop()
        self.marking.stop()
        self._checkpoints.stop()

    def _confirmed(self, deliveries: Sequence[Any]) -> None:
        """Map, mark the hosts of all facts under one deadline, tell each.

        :raises BusUnavailable: the facts not published are delivered again.
        :raises VimUnavailable: no map was ever read; they are delivered again.
        """
        where = self.mapping.read()
        times = {"T2": time.time()}
        current = self._standing.note_raised(_faults(deliveries))
        marked = self.marking.mark(impact.hosts_to_mark(current), True)
        times["T4"] = time.time()
        if self.marking.vim.waits_for_states:
            times["T3"] = times["T4"]
        for delivery in deliveries:
            fact = delivery.event
            others = self._standing.others(fact.faults)
            times["T5"] = time.time()
            self.publisher.publish(impact.down(fact, where, marked, times, others))
            self._tell_over(fact)
            self._held.hold(delivery, impact.hosts_to_mark(fact.faults))

    def _corroborated(self, deliveries: Sequence[Any]) -> None:
        """Map and tell each; marks nothing: that is done since the beginning.

        A host counts as marked if nothing is left to do for it here; what
        another inspector still owes is not known.

        :raises BusUnavailable: the facts not published are delivered again.
        :raises VimUnavailable: no map was ever read; they are delivered again.
        """
        where = self.mapping.read()
        times = {"T2": time.time()}
        for delivery in deliveries:
            fact = delivery.event
            hosts = impact.hosts_to_mark(self._standing.current(fact.faults))
            marked = [host for host in hosts if self.marking.is_settled([host])]
            others = self._standing.others(fact.faults)
            times["T5"] = time.time()
            self.publisher.publish(
                impact.corroborated(fact, where, marked, times, others)
            )
            self._tell_over(fact)
            delivery.ack()

    def _tell_over(
        self, fact: events.FaultConfirmed | events.FaultCorroborated
    ) -> None:
        """Tell an end again that overtook its beginning."""
        over = self._standing.find_over(fact, impact.effect_id(fact.event_id, "over"))
        if over is not None:
            self._tell_up(over, frozenset())

    def _cleared(self, deliveries: Sequence[Any]) -> None:
        """Undo the marks under one deadline, tell each (DR-10).

        :raises BusUnavailable: the facts not published are delivered again.
        """
        current = [
            fault
            for delivery in deliveries
            for fault in self._standing.end(delivery.event)
        ]
        restored = self.marking.mark(impact.hosts_to_mark(current), False)
        still_down = frozenset(impact.hosts_to_mark(_faults(deliveries))) - restored
        for delivery in deliveries:
            self._tell_up(delivery.event, still_down)
            self._held.hold(delivery, impact.hosts_to_mark(delivery.event.faults))

    def _tell_up(self, fact: events.FaultCleared, still_down: frozenset[str]) -> None:
        where, others = self.mapping.where, self._standing.others(fact.faults)
        times = {"T5": time.time()}
        self.publisher.publish(impact.up(fact, where, still_down, times, others))


def _faults(deliveries: Iterable[Any]) -> list[events.Fault]:
    return [fault for delivery in deliveries for fault in delivery.event.faults]
