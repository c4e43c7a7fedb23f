"""Names on the broker, and how the durable ones are declared.

One topic exchange carries all facts.  Each pool of a topic has a durable queue
of its own, which publishers declare too: what is published before a service's
first start waits for it.  A pool that a topic does not name gets an exclusive
queue that ends with its listener.

Each pool has a dead queue.  It takes messages that do not parse, with the
reason in the header ``x-escalator-reason``, and, by the broker itself, those
that were given back ``DELIVERY_LIMIT`` times.  The limit is stated because
RabbitMQ 4 otherwise drops a message silently after 20 returns; it is high
because a handler may fail for as long as a database is away.
"""

import threading
import uuid
from collections.abc import Mapping
from typing import Any

from escalator.domain import events

TOPICS: Mapping[type[Any], str] = {
    events.FaultConfirmed: "fault",
    events.FaultCleared: "fault",
    events.FaultCorroborated: "fault",
    events.HostMarkedDown: "impact",
    events.HostMarkedUp: "impact",
    events.CheckpointReached: "checkpoint",
    events.ImpactCorroborated: "impact",
    events.StepReported: "step",
    events.CampaignChanged: "notice",
    events.NoticeSettled: "delivery",
    events.SubscriptionsChanged: "subscription",
    events.AlarmReported: "alarm",
    events.ResendRequested: "resend",
}
"""Topic of every fact; heartbeats have an exchange of their own."""

POOLS: Mapping[str, tuple[str, ...]] = {
    "fault": ("inspector",),
    "impact": ("notifier", "conductor"),
    "checkpoint": ("conductor",),
    "step": ("conductor",),
    "notice": ("notifier",),
    "delivery": ("conductor",),
    "subscription": (),
    "alarm": ("conductor",),
    "resend": ("notifier",),
}
"""Pools whose queues outlive them, by topic."""

DELIVERY_LIMIT = 100_000

_declaring = threading.Lock()
"""The in-memory broker binds twice if two threads declare at once."""


class Topology:
    """Names and declarations for one configuration.

    :param prefix: first part of every name.
    :param is_quorum: quorum queues rather than classic durable ones.
    """

    def __init__(self, prefix: str, is_quorum: bool) -> None:
        self.exchange = f"{prefix}.facts"
        self.beats = f"{prefix}.beats"
        self._prefix = prefix
        self._is_quorum = is_quorum

    def routing_key(self, topic: str) -> str:
        return f"{self._prefix}.{topic}"

    def queue(self, topic: str, pool: str) -> str:
        return f"{self._prefix}.{topic}.{pool}"

    def dead_queue(self, pool: str) -> str:
        return f"{self._prefix}.dead.{pool}"

    def declare_topic(self, channel: Any, topic: str) -> None:
        """Declare the exchange and every durable queue of ``topic``."""
        with _declaring:
            self._declare_exchange(channel)
            for pool in POOLS[topic]:
                self._declare_dead(channel, pool)
                self._declare_durable(channel, topic, pool)

    def declare_pool(self, channel: Any, topic: str, pool: str) -> str:
        """Declare what one listener reads and return the queue's name."""
        if pool in POOLS[topic]:
            self.declare_topic(channel, topic)
            return self.queue(topic, pool)
        with _declaring:
            self._declare_exchange(channel)
            self._declare_dead(channel, pool)
            return self._declare_own(channel, self.exchange, topic, pool)

    def declare_beats(self, channel: Any) -> None:
        """Declare the exchange of the heartbeats."""
        with _declaring:
            channel.exchange_declare(
                exchange=self.beats, type="fanout", durable=True, auto_delete=False
            )

    def declare_beat_queue(self, channel: Any) -> str:
        """Declare an exclusive queue of heartbeats and return its name."""
        self.declare_beats(channel)
        with _declaring:
            return self._declare_own(channel, self.beats, "beat", "listener")

    def remove_own(self, channel: Any, queue: str, topic: str) -> None:
        """Remove an exclusive queue; the in-memory broker would keep it."""
        exchange = self.beats if topic == "beat" else self.exchange
        with _declaring:
            channel.queue_unbind(
                queue=queue, exchange=exchange, routing_key=self.routing_key(topic)
            )
            channel.queue_delete(queue=queue)

    def _declare_exchange(self, channel: Any) -> None:
        channel.exchange_declare(
            exchange=self.exchange, type="topic", durable=True, auto_delete=False
        )

    def _declare_durable(self, channel: Any, topic: str, pool: str) -> None:
        name = self.queue(topic, pool)
        channel.queue_declare(
            queue=name, durable=True, auto_delete=False, arguments=self._terms(pool)
        )
        channel.queue_bind(
            queue=name, exchange=self.exchange, routing_key=self.routing_key(topic)
        )

    def _declare_dead(self, channel: Any, pool: str) -> None:
        kind = {"x-queue-type": "quorum"} if self._is_quorum else {}
        channel.queue_declare(
            queue=self.dead_queue(pool),
            durable=True,
            auto_delete=False,
            arguments=kind,
        )

    def _declare_own(self, channel: Any, exchange: str, topic: str, pool: str) -> str:
        name = f"{self.queue(topic, pool)}.{uuid.uuid4().hex}"
        channel.queue_declare(
            queue=name, durable=False, exclusive=True, auto_delete=True
        )
        channel.queue_bind(
            queue=name, exchange=exchange, routing_key=self.routing_key(topic)
        )
        return name

    def _terms(self, pool: str) -> dict[str, Any]:
        """Return the arguments of a durable queue; at-least-once to the dead."""
        terms: dict[str, Any] = {
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.dead_queue(pool),
        }
        if self._is_quorum:
            terms |= {
                "x-queue-type": "quorum",
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            }
        return terms
