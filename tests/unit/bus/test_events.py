"""Facts within one process: the embedded default."""

import threading
import unittest
from typing import Any

from escalator import errors
from escalator.bus import broker, envelope, heartbeat, topology
from escalator.bus import events as bus
from escalator.domain import events
from tests.fixtures import bus as helpers


class Embedded(unittest.TestCase):
    def setUp(self) -> None:
        self.conf = helpers.make_conf()
        self.publisher = bus.EventPublisher(self.conf)
        self.addCleanup(self.publisher.close)

    def listen(self, pool: str, handlers: Any, **kwargs: Any) -> bus.EventListener:
        listener = bus.EventListener(self.conf, pool, handlers, **kwargs)
        listener.start()
        self.addCleanup(listener.wait, 5.0)
        self.addCleanup(listener.stop)
        self.assertTrue(listener.wait_ready(5.0))
        return listener

    def test_each_pool_gets_what_was_published_before_it_came(self) -> None:
        """DC-1."""
        fact = helpers.marked_down()
        self.publisher.publish(fact)
        for pool in ("notifier", "conductor"):
            inbox = helpers.Inbox()
            self.listen(pool, {events.HostMarkedDown: inbox})
            self.assertTrue(inbox.wait(1))
            self.assertEqual(fact, inbox.batches[0][0].event)

    def test_what_is_given_back_returns_to_its_own_pool_only(self) -> None:
        """kombu's in-memory broker would give it to every pool again."""
        failing, other = helpers.Inbox(fail_times=1), helpers.Inbox()
        self.listen("notifier", {events.HostMarkedDown: failing})
        self.listen("conductor", {events.HostMarkedDown: other})
        first, last = helpers.marked_down(), helpers.marked_down()
        self.publisher.publish(first)
        self.assertTrue(failing.wait(2))
        self.assertTrue(failing.batches[1][0].redelivered)
        self.publisher.publish(last)
        self.assertTrue(other.wait(2))
        self.assertEqual([first.event_id, last.event_id], other.ids)

    def test_listeners_of_one_pool_share_the_facts(self) -> None:
        inboxes = [helpers.Inbox(), helpers.Inbox()]
        for inbox in inboxes:
            self.listen("inspector", {events.FaultConfirmed: inbox})
        facts = [helpers.fault() for _ in range(20)]
        self.publisher.publish_all(facts)
        wanted = sorted(fact.event_id for fact in facts)
        self.assertTrue(
            helpers.eventually(
                lambda: sorted(inboxes[0].ids + inboxes[1].ids) == wanted
            )
        )

    def test_a_fact_without_a_handler_is_dropped(self) -> None:
        inbox = helpers.Inbox()
        listener = self.listen("conductor", {events.HostMarkedUp: inbox})
        self.publisher.publish(helpers.marked_down())
        self.assertTrue(helpers.eventually(lambda: listener.counts["dropped"] == 1))
        self.assertEqual([], inbox.ids)

    def test_what_does_not_parse_is_buried(self) -> None:
        """Bad input is counted, kept and survived."""
        listener = self.listen("inspector", {events.FaultConfirmed: helpers.Inbox()})
        source = broker.Broker(self.conf)
        link = source.connect(1.0)
        link.send(b"{", source.names.exchange, source.names.routing_key("fault"))
        self.assertTrue(helpers.eventually(lambda: listener.counts["dead"] == 1))
        buried: list[Any] = []
        link.channel.basic_consume(
            queue=source.names.dead_queue("inspector"),
            no_ack=True,
            callback=buried.append,
            consumer_tag="t",
        )
        self.assertTrue(helpers.eventually(lambda: link.read_ready() or buried))
        self.assertIn("JSON", buried[0].headers["x-escalator-reason"])
        link.close()

    def test_a_manual_listener_leaves_settling_to_its_handler(self) -> None:
        inbox = helpers.Inbox()
        listener = self.listen(
            "inspector", {events.FaultConfirmed: inbox}, is_manual=True
        )
        self.publisher.publish_all([helpers.fault(), helpers.fault()])
        self.assertTrue(inbox.wait(2))
        inbox.batches[0][0].ack()
        listener.stop()
        self.assertFalse(listener.wait(0.05))
        rest = helpers.Inbox()
        self.listen("inspector", {events.FaultConfirmed: rest})
        self.assertTrue(rest.wait(1))
        self.assertEqual([inbox.ids[1]], rest.ids)

    def test_a_waiting_batch_is_handed_over_whole_and_of_one_type(self) -> None:
        """DR-1: mass faults are batched, and nothing waits to fill a batch."""
        inbox, cleared = helpers.Inbox(), helpers.Inbox()
        held = threading.Event()

        def handle(batch: list[bus.Delivery]) -> None:
            held.wait(5.0)
            inbox(batch)

        listener = self.listen(
            "inspector",
            {events.FaultConfirmed: handle, events.FaultCleared: cleared},
            max_batch=3,
        )
        facts: list[Any] = [helpers.fault() for _ in range(6)]
        facts.insert(5, events.FaultCleared(facts[0].event_id, (), 1.0))
        self.publisher.publish_all(facts)
        helpers.eventually(lambda: listener.counts["received"] == 7)
        held.set()
        self.assertTrue(inbox.wait(6))
        self.assertTrue(cleared.wait(1))
        self.assertEqual([f.event_id for f in facts if f is not facts[5]], inbox.ids)
        self.assertLessEqual(max(map(len, inbox.batches)), 3)
        self.assertGreater(max(map(len, inbox.batches)), 1)

    def test_beats_reach_every_listener(self) -> None:
        heard: list[list[events.AgentBeat]] = [[], []]
        for box in heard:
            listener = heartbeat.BeatListener(self.conf, box.append)
            listener.start()
            self.addCleanup(listener.wait)
            self.addCleanup(listener.stop)
            self.assertTrue(listener.wait_ready(5.0))
        sender = heartbeat.BeatSender(self.conf)
        self.addCleanup(sender.close)
        beat = events.AgentBeat("h1", "a1", ("node",), {}, 1.0, 1.0)
        self.assertTrue(sender.send(beat))
        self.assertTrue(helpers.eventually(lambda: heard == [[beat], [beat]]))


class Names(unittest.TestCase):
    def test_every_fact_that_travels_has_a_topic(self) -> None:
        self.assertEqual(
            set(events.Event.__args__) - {events.AgentBeat}, set(topology.TOPICS)
        )
        self.assertEqual(set(topology.POOLS), set(topology.TOPICS.values()))

    def test_a_fact_given_back_too_often_is_kept_among_the_dead(self) -> None:
        """DC-1: RabbitMQ 4 would drop it silently after 20 returns."""

        class Channel:
            def __init__(self) -> None:
                self.queues: dict[str, Any] = {}

            def exchange_declare(self, **kwargs: Any) -> None: ...

            def queue_bind(self, **kwargs: Any) -> None: ...

            def queue_declare(self, queue: str, **kwargs: Any) -> None:
                self.queues[queue] = kwargs

        channel = Channel()
        topology.Topology("x", is_quorum=True).declare_topic(channel, "step")
        terms = channel.queues["x.step.conductor"]["arguments"]
        self.assertGreater(terms["x-delivery-limit"], 10_000)
        self.assertEqual("x.dead.conductor", terms["x-dead-letter-routing-key"])
        self.assertEqual("at-least-once", terms["x-dead-letter-strategy"])
        self.assertTrue(channel.queues["x.dead.conductor"]["durable"])


class Envelopes(unittest.TestCase):
    def test_what_is_no_fact_is_refused(self) -> None:
        for body in (b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"a": 1}'):
            with self.subTest(body), self.assertRaises(errors.BadMessage):
                envelope.decode("fault", body)
