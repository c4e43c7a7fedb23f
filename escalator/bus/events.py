"""Publish facts and listen to them: at least once.

kombu is used directly: publisher confirms, ``mandatory``, acknowledgements
sent at once and half the latency of the notification layer (ADR: facts).
"""

import collections
import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oslo_config import cfg

from escalator import errors
from escalator.bus import broker, delivery, envelope, intake, reader, topology
from escalator.domain import events

Delivery = delivery.Delivery

LINKS = 4
RETRY_S = 0.1
ATTEMPT_SHARE = 0.4
"""Part of the time limit that one unconfirmed attempt may use up."""


class EventPublisher:
    """Publishes facts; any thread may use it.

    Keeps up to ``LINKS`` connections, made when first needed: nothing is
    connected before a fork unless something was published before it.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._timeout_s: float = conf.bus.publish_timeout_s
        self._broker = broker.Broker(conf)
        self._free = threading.BoundedSemaphore(LINKS)
        self._idle: collections.deque[broker.Link] = collections.deque()

    def publish(self, event: events.Event) -> None:
        """Return once the broker has the fact safely; at least once.

        :raises BusUnavailable: not confirmed within ``[bus]
            publish_timeout_s``.  The fact may have been taken all the same.
        """
        self.publish_all([event])

    def publish_all(self, facts: Sequence[events.Event]) -> None:
        """Publish several facts in order with one wait for all confirms.

        :raises BusUnavailable: as :meth:`publish`; any part of them may have
            been taken.
        """
        letters = [(topology.TOPICS[type(f)], envelope.encode(f)) for f in facts]
        deadline = time.monotonic() + self._timeout_s
        if not self._free.acquire(timeout=self._timeout_s):
            raise self._unavailable("every connection is busy")
        try:
            self._persist(letters, deadline)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close the idle connections; idempotent."""
        while self._idle:
            self._idle.popleft().close()

    def _persist(self, letters: list[tuple[str, bytes]], deadline: float) -> None:
        """Try until it is done or time is up."""
        while True:
            try:
                with self._link(deadline) as link:
                    return self._attempt(link, letters, deadline)
            except broker.RECOVERABLE as error:
                reason: Exception = error
            left = deadline - time.monotonic()
            if left <= RETRY_S:
                raise self._unavailable(repr(reason)) from reason
            time.sleep(RETRY_S)

    @contextlib.contextmanager
    def _link(self, deadline: float) -> Iterator[broker.Link]:
        """Lend an idle link or a new one; drop all idle ones if it fails."""
        link = self._take_idle() or self._connect(deadline)
        try:
            yield link
        except BaseException:
            link.abandon()
            while self._idle:
                self._idle.pop().abandon()
            raise
        self._idle.append(link)

    def _take_idle(self) -> broker.Link | None:
        """Return an idle link that the broker has not closed meanwhile."""
        while self._idle:
            link = self._idle.pop()
            try:
                link.read_ready()
            except broker.RECOVERABLE:
                link.abandon()
            else:
                return link
        return None

    def _connect(self, deadline: float) -> broker.Link:
        link = self._broker.connect(self._share(deadline))
        link.confirm()
        return link

    def _attempt(
        self, link: broker.Link, letters: list[tuple[str, bytes]], deadline: float
    ) -> None:
        self._declare(link, letters)
        for _ in range(2):
            self._send(link, letters)
            if link.wait_confirmed(self._share(deadline)):
                return
            link.declared.clear()
            self._declare(link, letters)
        raise self._unavailable("no queue is bound")

    def _declare(self, link: broker.Link, letters: list[tuple[str, bytes]]) -> None:
        for topic in {topic for topic, _ in letters} - link.declared:
            self._broker.names.declare_topic(link.channel, topic)
            link.declared.add(topic)

    def _send(self, link: broker.Link, letters: list[tuple[str, bytes]]) -> None:
        for topic, body in letters:
            link.send(
                body,
                self._broker.names.exchange,
                self._broker.names.routing_key(topic),
                is_mandatory=bool(topology.POOLS[topic]),
                delivery_mode=2,
            )

    def _share(self, deadline: float) -> float:
        left = deadline - time.monotonic()
        return max(min(left, self._timeout_s * ATTEMPT_SHARE), 0.01)

    def _unavailable(self, reason: str) -> errors.BusUnavailable:
        return errors.BusUnavailable(timeout_s=self._timeout_s, reason=reason)


class EventListener:
    """Receives the facts of one pool, at least once, for ever.

    Each topic has a thread and its own order.  A handler that returns has
    its facts acknowledged; one that raises gets them again.  A manual
    listener's handler only takes the facts over and settles them later.

    :param pool: listeners of one pool share the facts among them.
    :param handlers: by type of fact; facts of other types on the same topics
        are acknowledged and dropped.
    :param max_batch: most facts of one type that a handler gets at once.
    :param patience_s: how long to leave facts with the socket, for a listener
        whose process has another one that is in a hurry with the same facts:
        Python runs one thread at a time.
    :ivar counts: received, handled, failed, dead, dropped since the start.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        pool: str,
        handlers: Mapping[type[Any], delivery.Handler],
        max_batch: int = 1,
        is_manual: bool = False,
        patience_s: float = 0.0,
    ) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        source = broker.Broker(conf)
        self._lanes = {
            topic: delivery.Lane(
                f"{pool}-{topic}", handlers, max_batch, is_manual, self.counts
            )
            for topic in sorted({topology.TOPICS[kind] for kind in handlers})
        }
        self._intake = intake.Intake(
            source.names, pool, frozenset(handlers), self._lanes, self.counts
        )
        self._reader = reader.Reader(
            source,
            f"{pool}-reader",
            lambda link: self._intake.consume(link, conf.bus.prefetch),
            self._intake.forget,
            patience_s,
        )
        self._intake.soon = self._reader.soon

    def start(self) -> None:
        """Begin to listen; returns at once, also while the broker is away."""
        for lane in self._lanes.values():
            lane.start()
        self._reader.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the listener is connected; for tests and probes."""
        return self._reader.is_connected.wait(timeout_s)

    def stop(self) -> None:
        """Take no new facts and give back those that no handler has."""
        self._intake.is_stopping = True
        self._reader.soon(self._intake.cancel)
        for lane in self._lanes.values():
            lane.stop()

    def wait(self, timeout_s: float = 30.0) -> bool:
        """Let handlers finish and facts be settled, then disconnect.

        :returns: False if time was up first; unsettled facts come again.
        """
        deadline = time.monotonic() + timeout_s
        is_done = True
        for lane in self._lanes.values():
            is_done &= lane.wait(max(deadline - time.monotonic(), 0))
        is_done &= self._intake.wait_settled(max(deadline - time.monotonic(), 0))
        self._intake.give_back()
        self._reader.soon(self._intake.remove_own)
        self._reader.close(max(deadline - time.monotonic(), 1.0))
        return is_done
