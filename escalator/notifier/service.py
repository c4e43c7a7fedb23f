"""The notifier: hears of faults and campaigns, and tells their owners."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from oslo_config import cfg

from escalator import realtime
from escalator.domain import events
from escalator.drivers import base
from escalator.notifier import (
    dispatch,
    ledger,
    reporting,
    resending,
    settings,
    subscriptions,
)

LOG = logging.getLogger(__name__)

POOL = "notifier"
MAX_BATCH = 100
STOP_S = 10.0
"""Seconds in which notices under way may end when the service stops."""


class Listener(Protocol):
    """What is asked of ``bus.events.EventListener``."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wait(self, timeout_s: float) -> Any: ...


class NotifierService:
    """Wires the hot path: listener -> dispatch -> sinks -> reporter -> ack.

    Listening begins with the first reading of the subscriptions: until then
    the facts stay with the broker.  A fact is acknowledged after every notice
    it caused is settled and the broker has confirmed the outcomes: at least
    once.  Dead letters that are sent again have a topic and a reporter of their own.

    :param publisher: ``bus.events.EventPublisher``.
    :param listener_factory: ``bus.events.EventListener``, or another with its
        parameters.
    :param sinks: started and stopped with the service; a fact waits for all
        of them.
    :raises ConfigError: an option of [notifier] is missing or wrong.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        publisher: reporting.Publisher,
        listener_factory: Callable[..., Listener],
        sinks: Sequence[base.Sink],
        context: Any,
    ) -> None:
        settings.check(conf)
        self._sinks = tuple(sinks)
        self._book = ledger.Ledger()
        self._reporter = reporting.Reporter(publisher, self._book.settle)
        self._subscriptions = subscriptions.Subscriptions(
            context, conf.notifier.subscriptions_interval_s, self._listen
        )
        teller = dispatch.Dispatch(
            lambda: self._subscriptions.directory,
            self._sinks,
            self._book,
            self._reporter,
        )
        self._resending = resending.Resending(
            lambda: self._subscriptions.directory, self._sinks, publisher
        )
        handlers = {
            events.HostMarkedDown: teller.take,
            events.HostMarkedUp: teller.take,
            events.ImpactCorroborated: teller.take,
            events.CampaignChanged: teller.take,
            events.SubscriptionsChanged: self._refresh,
            events.ResendRequested: self._resending.take,
        }
        self._listener = listener_factory(
            conf, POOL, handlers, max_batch=MAX_BATCH, is_manual=True
        )
        self._is_listening = False
        self._is_realtime: bool = conf.notifier.realtime

    def start(self) -> None:
        """Return at once; facts are taken as soon as subscriptions are known."""
        with realtime.threads(self._is_realtime):
            for sink in self._sinks:
                sink.start()
        self._reporter.start()
        self._resending.start()
        self._subscriptions.start()

    def stop(self) -> None:
        """Take nothing new."""
        self._subscriptions.stop(timeout_s=0.1)
        if self._is_listening:
            self._listener.stop()

    def wait(self, timeout_s: float = STOP_S) -> None:
        """Finish the notices under way; what is not settled comes again."""
        deadline = time.monotonic() + timeout_s
        while self._under_way and time.monotonic() < deadline:
            time.sleep(0.01)
        for sink in self._sinks:
            sink.stop(0.1)
        self._reporter.stop(max(deadline - time.monotonic(), 1.0))
        self._resending.stop(max(deadline - time.monotonic(), 1.0))
        if self._is_listening:
            self._listener.wait(max(deadline - time.monotonic(), 1.0))

    @property
    def _under_way(self) -> int:
        return self._book.under_way + self._resending.under_way

    def _listen(self) -> None:
        """Start the listener, and read once more what changed meanwhile."""
        self._is_listening = True
        with realtime.threads(self._is_realtime):
            self._listener.start()
        self._subscriptions.refresh()

    def _refresh(self, deliveries: list[ledger.Delivery]) -> None:
        self._subscriptions.refresh()
        for delivery in deliveries:
            delivery.ack()
