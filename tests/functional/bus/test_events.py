"""Facts over a real broker: nothing is lost, nothing blocks."""

import contextlib
import threading
import time
import unittest
import uuid
from collections.abc import Iterator
from typing import Any

import amqp
import kombu
from oslo_config import cfg

from escalator import errors
from escalator.bus import events as bus
from escalator.bus import topology, transport
from escalator.domain import events
from tests.fixtures import bus as helpers
from tests.fixtures import rabbit


@contextlib.contextmanager
def raw_channel(conf: cfg.ConfigOpts) -> Iterator[Any]:
    """Lend a channel of an independent connection."""
    with kombu.Connection(transport.kombu_urls(conf)[0]) as connection:
        yield connection.channel()


class BusTest(unittest.TestCase):
    def setUp(self) -> None:
        self.broker = rabbit.shared()
        self.conf = helpers.make_conf(self.broker.url, publish_timeout_s=2.0)
        prefix = self.conf.bus.prefix
        self.names = topology.Topology(prefix, is_quorum=True)
        self.addCleanup(self.remove_queues)
        self.publisher = bus.EventPublisher(self.conf)
        self.addCleanup(self.publisher.close)

    def remove_queues(self) -> None:
        with raw_channel(self.conf) as channel:
            for topic, pools in topology.POOLS.items():
                for pool in pools:
                    channel.queue_delete(queue=self.names.queue(topic, pool))
                    channel.queue_delete(queue=self.names.dead_queue(pool))
            channel.exchange_delete(exchange=self.names.exchange)

    def listen(self, pool: str, handlers: Any, **kwargs: Any) -> bus.EventListener:
        listener = bus.EventListener(self.conf, pool, handlers, **kwargs)
        listener.start()
        self.addCleanup(listener.wait, 5.0)
        self.addCleanup(listener.stop)
        self.assertTrue(listener.wait_ready(10.0))
        return listener

    def exists(self, queue: str) -> bool:
        try:
            self.size(queue)
        except amqp.NotFound:
            return False
        return True

    def size(self, queue: str) -> int:
        with raw_channel(self.conf) as channel:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)


class Publishing(BusTest):
    def test_what_is_published_before_the_first_listener_waits_for_it(self) -> None:
        """DC-1: both pools of the topic get a copy each."""
        fact = helpers.marked_down()
        self.publisher.publish(fact)
        for pool in ("notifier", "conductor"):
            inbox = helpers.Inbox()
            self.listen(pool, {events.HostMarkedDown: inbox})
            self.assertTrue(inbox.wait(1), pool)
            self.assertEqual(fact, inbox.batches[0][0].event)
            self.assertFalse(inbox.batches[0][0].redelivered)

    def test_a_queue_removed_by_an_operator_is_declared_again(self) -> None:
        self.publisher.publish(helpers.fault())
        with raw_channel(self.conf) as channel:
            channel.queue_delete(queue=self.names.queue("fault", "inspector"))
        self.publisher.publish(helpers.fault())
        self.assertEqual(1, self.size(self.names.queue("fault", "inspector")))

    def test_an_unroutable_fact_raises(self) -> None:
        """A queue of that name but another kind cannot be declared or bound."""
        self.publisher.publish(helpers.fault())
        queue = self.names.queue("fault", "inspector")
        with raw_channel(self.conf) as channel:
            channel.queue_delete(queue=queue)
            channel.queue_declare(queue=queue, durable=True, auto_delete=False)
        with self.assertRaises(errors.BusUnavailable):
            self.publisher.publish(helpers.fault())

    def test_publish_gives_up_in_time_while_the_broker_hangs(self) -> None:
        """Also when it hangs in the middle of a connection's life."""
        self.publisher.publish(helpers.fault())
        self.broker.pause()
        self.addCleanup(self.broker.resume)
        for _ in range(2):
            began = time.monotonic()
            with self.assertRaises(errors.BusUnavailable):
                self.publisher.publish(helpers.fault())
            self.assertLess(time.monotonic() - began, 2.5)
        self.broker.resume()
        self.publisher.publish(helpers.fault())

    def test_many_threads_share_few_connections(self) -> None:
        self.conf.set_override("publish_timeout_s", 20.0, "bus")
        publisher = bus.EventPublisher(self.conf)
        self.addCleanup(publisher.close)
        inbox = helpers.Inbox()
        self.listen("inspector", {events.FaultConfirmed: inbox}, max_batch=50)
        sent = [[helpers.fault() for _ in range(20)] for _ in range(16)]

        def publish(facts: list[events.FaultConfirmed]) -> None:
            for fact in facts:
                publisher.publish(fact)

        threads = [threading.Thread(target=publish, args=(facts,)) for facts in sent]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(inbox.wait(320))
        self.assertEqual({f.event_id for facts in sent for f in facts}, set(inbox.ids))

    def test_a_burst_is_confirmed_together_and_stays_in_order(self) -> None:
        facts = [helpers.fault() for _ in range(500)]
        inbox = helpers.Inbox()
        self.listen("inspector", {events.FaultConfirmed: inbox}, max_batch=100)
        self.publisher.publish_all(facts)
        self.assertTrue(inbox.wait(500))
        self.assertEqual([fact.event_id for fact in facts], inbox.ids)

    def test_changed_subscriptions_need_no_notifier(self) -> None:
        """Nobody keeps them: a notifier reads all of them at its start."""
        self.publisher.publish(events.SubscriptionsChanged(str(uuid.uuid4()), ()))

    def test_every_notifier_hears_of_changed_subscriptions(self) -> None:
        inboxes = [helpers.Inbox(), helpers.Inbox()]
        for inbox in inboxes:
            self.listen("notifier", {events.SubscriptionsChanged: inbox})
        self.publisher.publish(events.SubscriptionsChanged(str(uuid.uuid4()), ("s",)))
        for inbox in inboxes:
            self.assertTrue(inbox.wait(1))


class Killing(BusTest):
    def setUp(self) -> None:
        """RabbitMQ 3.10 forgets a quorum queue that is younger than a second."""
        super().setUp()
        self.publisher.publish(helpers.fault("warm-up"))
        time.sleep(2.0)

    def test_nothing_confirmed_is_lost_over_a_kill(self) -> None:
        """DC-1: the sender repeats what raised; repeats carry the same id."""
        inbox = helpers.Inbox()
        listener = self.listen("inspector", {events.FaultConfirmed: inbox})
        facts = [helpers.fault() for _ in range(1500)]
        retries = 0
        killed = threading.Timer(0.4, self.broker.restart)
        killed.start()
        for fact in facts:
            while True:
                try:
                    self.publisher.publish(fact)
                    break
                except errors.BusUnavailable:
                    retries += 1
        killed.join()
        wanted = {fact.event_id for fact in facts}
        self.assertTrue(
            helpers.eventually(lambda: wanted <= set(inbox.ids), 20.0),
            f"lost {len(wanted - set(inbox.ids))}",
        )
        repeats = len(inbox.ids) - len(wanted)
        print(f"\nkill -9: {retries} refused, {repeats} repeated, 0 lost")
        self.assertLess(repeats, 250)
        self.assertEqual(0, listener.counts["dead"])

    def test_publishing_goes_on_soon_after_the_broker_is_back(self) -> None:
        """DC-1: reconnects within a second, not after minutes of back-off."""
        inbox = helpers.Inbox()
        self.listen("inspector", {events.FaultConfirmed: inbox})
        self.broker.kill9()
        with self.assertRaises(errors.BusUnavailable):
            self.publisher.publish(helpers.fault())
        self.broker.restart()
        back = time.monotonic()
        fact = helpers.fault()
        while True:
            try:
                self.publisher.publish(fact)
                break
            except errors.BusUnavailable:
                self.assertLess(time.monotonic() - back, 10.0)
        self.assertTrue(
            helpers.eventually(lambda: fact.event_id in inbox.ids, 5.0), "not heard"
        )
        print(f"\nback to back after {time.monotonic() - back:.2f} s")


class Listening(BusTest):
    def test_a_failing_handler_gets_its_facts_again(self) -> None:
        inbox = helpers.Inbox(fail_times=2)
        listener = self.listen("inspector", {events.FaultConfirmed: inbox})
        fact = helpers.fault()
        self.publisher.publish(fact)
        self.assertTrue(inbox.wait(3))
        self.assertEqual([fact.event_id] * 3, inbox.ids)
        self.assertTrue(inbox.batches[1][0].redelivered)
        self.assertTrue(helpers.eventually(lambda: listener.counts["handled"] == 1))
        self.assertEqual(2, listener.counts["failed"])

    def test_facts_of_a_failed_batch_come_singly(self) -> None:
        """One bad fact does not hold up the others of its batch."""
        facts = [helpers.fault(f"h{n}") for n in range(5)]
        bad = facts[2].event_id
        done: list[str] = []

        def handle(batch: list[bus.Delivery]) -> None:
            ids = [found.event.event_id for found in batch]
            if bad in ids:
                raise RuntimeError("bad")
            done.extend(ids)

        self.publisher.publish_all(facts)
        self.listen("inspector", {events.FaultConfirmed: handle}, max_batch=10)
        self.assertTrue(helpers.eventually(lambda: len(set(done)) == 4))
        self.assertNotIn(bad, done)

    def test_what_does_not_parse_is_buried_and_counted(self) -> None:
        """Bad input: wrong version, unknown class, no JSON, no fact at all."""
        inbox = helpers.Inbox()
        listener = self.listen("inspector", {events.FaultConfirmed: inbox})
        head = '{"escalator_object.namespace": "escalator", "escalator_object.'
        bodies = (
            head + 'name": "FaultConfirmed", "escalator_object.version": "9.0", '
            '"escalator_object.data": {}}',
            head + 'name": "NoSuchThing", "escalator_object.version": "1.0", '
            '"escalator_object.data": {}}',
            head + 'name": "Host", "escalator_object.version": "1.0", '
            '"escalator_object.data": {}}',
            "{not json",
            "[]",
            "",
        )
        with raw_channel(self.conf) as channel:
            for body in bodies:
                channel.basic_publish(
                    channel.prepare_message(
                        body.encode(), content_type="application/json"
                    ),
                    exchange=self.names.exchange,
                    routing_key=self.names.routing_key("fault"),
                )
        fact = helpers.fault()
        self.publisher.publish(fact)
        self.assertTrue(inbox.wait(1))
        self.assertEqual([fact.event_id], inbox.ids)
        self.assertTrue(
            helpers.eventually(lambda: listener.counts["dead"] == len(bodies))
        )
        dead = self.names.dead_queue("inspector")
        self.assertTrue(helpers.eventually(lambda: self.size(dead) == len(bodies)))
        with raw_channel(self.conf) as channel:
            buried = channel.basic_get(queue=dead)
        self.assertIn("9.0", buried.headers["x-escalator-reason"])

    def test_a_manual_listener_settles_from_another_thread_at_once(self) -> None:
        """The acknowledgement wakes the reader: no polling on the hot path."""
        inbox = helpers.Inbox()
        listener = self.listen(
            "inspector", {events.FaultConfirmed: inbox}, is_manual=True
        )
        self.publisher.publish_all([helpers.fault(), helpers.fault()])
        self.assertTrue(inbox.wait(2))
        first, second = inbox.batches[0][0], inbox.batches[1][0]
        first.requeue()
        self.assertTrue(inbox.wait(3, 0.5))
        again = inbox.batches[2][0]
        self.assertEqual(first.event, again.event)
        self.assertTrue(again.redelivered)
        for found in (second, again, again):
            found.ack()
        listener.stop()
        self.assertTrue(listener.wait(5.0))
        self.assertEqual(0, self.size(self.names.queue("fault", "inspector")))

    def test_a_stopped_listener_gives_back_what_it_did_not_handle(self) -> None:
        started, release = threading.Event(), threading.Event()

        def handle(batch: list[bus.Delivery]) -> None:
            started.set()
            release.wait(10.0)

        listener = self.listen("inspector", {events.FaultConfirmed: handle})
        facts = [helpers.fault() for _ in range(20)]
        self.publisher.publish_all(facts)
        self.assertTrue(started.wait(5.0))
        listener.stop()
        release.set()
        self.assertTrue(listener.wait(5.0))
        inbox = helpers.Inbox()
        self.listen("inspector", {events.FaultConfirmed: inbox})
        self.assertTrue(inbox.wait(19))
        self.assertEqual({f.event_id for f in facts[1:]}, set(inbox.ids))

    def test_a_patient_listener_leaves_facts_to_the_one_in_a_hurry(self) -> None:
        hurried, patient = helpers.Inbox(), helpers.Inbox()
        self.listen("inspector", {events.FaultConfirmed: hurried})
        self.listen("watch", {events.FaultConfirmed: patient}, patience_s=1.0)
        facts = [helpers.fault() for _ in range(3)]
        self.publisher.publish_all(facts)
        self.assertTrue(hurried.wait(3))
        self.assertEqual([], patient.ids)
        self.assertTrue(patient.wait(3))
        self.assertEqual([fact.event_id for fact in facts], patient.ids)

    def test_a_patient_listener_leaves_what_it_finds_as_well(self) -> None:
        """A fact may arrive between its connecting and its first look."""
        fact, patient = helpers.fault(), helpers.Inbox()
        self.publisher.publish(fact)
        self.listen("inspector", {events.FaultConfirmed: patient}, patience_s=1.0)
        time.sleep(0.5)
        self.assertEqual([], patient.ids)
        self.assertTrue(patient.wait(1))
        self.assertEqual([fact.event_id], patient.ids)

    def test_a_listener_starts_before_its_broker(self) -> None:
        self.broker.kill9()
        inbox = helpers.Inbox()
        listener = bus.EventListener(
            self.conf, "inspector", {events.FaultConfirmed: inbox}
        )
        listener.start()
        self.addCleanup(listener.wait, 5.0)
        self.addCleanup(listener.stop)
        self.assertFalse(listener.wait_ready(0.3))
        self.broker.restart()
        self.assertTrue(listener.wait_ready(10.0))

    def test_a_hanging_broker_does_not_hold_up_the_end(self) -> None:
        listener = self.listen("inspector", {events.FaultConfirmed: helpers.Inbox()})
        self.broker.pause()
        self.addCleanup(self.broker.resume)
        began = time.monotonic()
        listener.stop()
        listener.wait(3.0)
        self.assertLess(time.monotonic() - began, 4.5)

    def test_removing_the_queue_under_a_listener_makes_it_declare_again(self) -> None:
        inbox = helpers.Inbox()
        self.listen("inspector", {events.FaultConfirmed: inbox})
        queue = self.names.queue("fault", "inspector")
        with raw_channel(self.conf) as channel:
            channel.queue_delete(queue=queue)
        self.assertTrue(helpers.eventually(lambda: self.exists(queue), 5.0))
        fact = helpers.fault()
        self.publisher.publish(fact)
        self.assertTrue(inbox.wait(1))

    def test_classic_queues_serve_a_broker_without_quorum(self) -> None:
        self.conf.set_override("quorum_queues", False, "bus")
        publisher = bus.EventPublisher(self.conf)
        self.addCleanup(publisher.close)
        inbox = helpers.Inbox(fail_times=1)
        self.listen("inspector", {events.FaultConfirmed: inbox})
        publisher.publish(helpers.fault())
        self.assertTrue(inbox.wait(2))
        self.assertTrue(inbox.batches[1][0].redelivered)
