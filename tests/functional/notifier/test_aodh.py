"""The Aodh sink on a RabbitMQ of its own, read as Aodh reads it."""

import json
import logging
import multiprocessing
import pathlib
import queue
import tempfile
import time
import unittest
import uuid
from typing import Any

import kombu
import oslo_messaging
from oslo_config import cfg

from escalator import errors
from escalator.bus import events as bus
from escalator.bus import samples, transport
from escalator.cmd import sinks
from escalator.domain import events
from escalator.notifier import service
from tests.fixtures import bus as bus_fixtures
from tests.fixtures import consumer, rabbit
from tests.unit.notifier import fakes

KEY = "0123456789abcdef0123456789abcdef"
WAIT_S = 20.0
QUEUE = "alarm.all.sample"


class Listener:
    """Aodh's listener, as far as its way of hearing goes."""

    def __init__(self, url: str) -> None:
        self.heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        made = oslo_messaging.get_notification_transport(conf, url=url)
        targets = [oslo_messaging.Target(topic="alarm.all")]
        self._server = oslo_messaging.get_notification_listener(
            made, targets, [self], executor="threading", allow_requeue=True
        )
        self._server.start()

    def sample(
        self, ctxt: Any, publisher_id: str, event_type: str, payload: Any, metadata: Any
    ) -> None:
        for each in payload:
            self.heard.put(each)

    def next(self) -> dict[str, Any]:
        """Return the next event but canaries."""
        while True:
            event = self.heard.get(timeout=WAIT_S)
            if event["event_type"] != "escalator.canary":
                return event

    def stop(self) -> None:
        self._server.stop()
        self._server.wait()


def make_conf(bus_url: str, aodh_url: str, prefix: str = "") -> cfg.ConfigOpts:
    conf = bus_fixtures.make_conf(bus_url)
    if prefix:
        conf.set_override("prefix", prefix, "bus")
    for name, value in (
        ("sinks", ["webhook", "aodh"]),
        ("signing_key", KEY),
        ("allowed_networks", ["127.0.0.0/8"]),
        ("aodh_transport_url", aodh_url),
        ("aodh_timeout_s", 1.0),
        ("backoff_s", 0.1),
        ("backoff_max_s", 0.5),
    ):
        conf.set_override(name, value, group="notifier")
    return conf


def run_notifier(bus_url: str, aodh_url: str, prefix: str) -> None:
    """Be a notifier, until killed."""
    logging.disable()
    conf = make_conf(bus_url, aodh_url, prefix)
    fakes.FakeStore().plug_in(lambda *_: None)
    notifier = service.NotifierService(
        conf, bus.EventPublisher(conf), bus.EventListener, sinks.make(conf), None
    )
    notifier.start()
    time.sleep(3600)


class AodhTest(unittest.TestCase):
    broker: rabbit.Rabbit
    aodh: rabbit.Rabbit

    @classmethod
    def setUpClass(cls) -> None:
        cls.broker, cls.aodh = rabbit.Rabbit().start(), rabbit.Rabbit().start()
        cls.addClassCleanup(cls.broker.stop)
        cls.addClassCleanup(cls.aodh.stop)

    def setUp(self) -> None:
        self.conf = make_conf(self.broker.url, self.aodh.url)
        self.store = fakes.FakeStore()
        self.store.plug_in(self.addCleanup)
        self.publisher = bus.EventPublisher(self.conf)
        self.addCleanup(self.publisher.close)
        self.outcomes: queue.SimpleQueue[events.NoticeSettled] = queue.SimpleQueue()
        listener = bus.EventListener(
            self.conf, "conductor", {events.NoticeSettled: self.take}
        )
        listener.start()
        self.addCleanup(listener.wait, 2.0)
        self.addCleanup(listener.stop)
        self.addCleanup(self.delete_queue)

    def take(self, deliveries: list[Any]) -> None:
        for delivery in deliveries:
            self.outcomes.put(delivery.event)

    def start(self) -> None:
        notifier = service.NotifierService(
            self.conf, self.publisher, bus.EventListener, sinks.make(self.conf), None
        )
        notifier.start()
        self.addCleanup(notifier.wait, 1.0)
        self.addCleanup(notifier.stop)

    def listen(self) -> Listener:
        listener = Listener(self.aodh.url)
        self.addCleanup(listener.stop)
        return listener

    def channel(self) -> Any:
        (url,) = transport.kombu_urls(self.conf, self.aodh.url)
        connection = kombu.Connection(url)
        self.addCleanup(connection.release)
        return connection.default_channel

    def delete_queue(self) -> None:
        self.channel().queue_delete(QUEUE)

    def outcome(self) -> events.NoticeSettled:
        return self.outcomes.get(timeout=WAIT_S)

    def test_a_listener_like_aodhs_hears_the_host_and_then_its_instances(self) -> None:
        listener = self.listen()
        self.start()
        self.publisher.publish(fakes.host_down("red"))
        kinds = [listener.next()["event_type"] for _ in range(2)]
        self.assertEqual(["escalator.host.down", "compute.instance.update"], kinds)
        outcome = self.outcome()
        self.assertEqual(
            ("delivered", "aodh", "red"),
            (outcome.state, outcome.subscription_id, outcome.project_id),
        )
        self.assertEqual({"T6", "T7", "T8"}, set(outcome.times))

    def test_a_queue_with_any_arguments_is_served(self) -> None:
        """A declare of our own would be refused with 406."""
        is_started = False
        for arguments in (
            {"x-queue-type": "quorum"},
            {"x-expires": 600000, "x-max-length": 1000},
        ):
            with self.subTest(arguments=arguments):
                channel = self.channel()
                self.declare(**arguments)
                self.publisher.publish(fakes.host_down("red"))
                if not is_started:
                    self.start()
                is_started = True
                for _ in range(2):  # The host's event, and the instance's.
                    self.assertEqual("delivered", self.outcome().state)
                self.assertIn("compute.instance.update", self.read(channel))
                channel.queue_delete(QUEUE)

    def declare(self, **arguments: Any) -> None:
        """Make Aodh's queue as its listener would."""
        self.channel().queue_declare(
            QUEUE, durable=True, auto_delete=False, arguments=arguments
        )

    def read(self, channel: Any) -> list[str]:
        """Return the kinds of events in the queue."""
        kinds = []
        while (message := channel.basic_get(QUEUE, no_ack=True)) is not None:
            letter = json.loads(json.loads(message.body)["oslo.message"])
            kinds += [event["event_type"] for event in letter["payload"]]
        return kinds

    def test_without_the_queue_the_others_hear_and_aodh_later(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        red = consumer.ConsumerProcess(pathlib.Path(directory.name, "red"))
        self.addCleanup(red.stop)
        row = fakes.row("red")
        row["url"] = red.url
        self.store.rows.append(row)
        with self.assertLogs("escalator.drivers.sink.aodh", "WARNING") as logs:
            self.start()
            self.publisher.publish(fakes.host_down("red"))
            red.wait(1, WAIT_S)
            first = self.outcome()
            self.assertEqual(row["id"], first.subscription_id)
        self.assertIn(f"there is no queue {QUEUE}", logs.output[0])
        listener = self.listen()
        self.assertEqual("escalator.host.down", listener.next()["event_type"])
        self.assertEqual("delivered", self.outcome().state)
        self.assertEqual(1, len(red.heard()))

    def test_a_hanging_broker_delays_no_webhook(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        red = consumer.ConsumerProcess(pathlib.Path(directory.name, "red"))
        self.addCleanup(red.stop)
        self.store.rows.append({**fakes.row("red"), "url": red.url})
        self.declare()
        self.start()
        self.publisher.publish(fakes.host_down("red"))
        states = [self.outcome().state for _ in range(2)]
        self.assertEqual(["delivered"] * 2, states)
        self.aodh.pause()
        self.addCleanup(self.aodh.resume)
        with self.assertLogs("escalator.drivers.sink.aodh", "WARNING"):
            for count in range(2, 12):
                before = time.time()
                self.publisher.publish(fakes.host_down("red"))
                heard = red.wait(count, WAIT_S)
                self.assertLess(heard[-1]["at"] - before, 0.9)
            time.sleep(1.5)
            self.aodh.resume()
        found = [self.outcome() for _ in range(20)]
        self.assertEqual({"delivered"}, {each.state for each in found})

    def test_its_user_needs_to_write_to_the_nameless_exchange_only(self) -> None:
        self.declare()
        self.aodh.ctl("add_user", "writer", "right")
        self.addCleanup(self.aodh.ctl, "delete_user", "writer")
        self.aodh.ctl("set_permissions", "writer", "^$", "^amq\\.default$", "^$")
        url = self.aodh.url.split("@")[1]
        for password in ("wrong", "right"):
            publisher = samples.SamplePublisher(
                self.conf, f"rabbit://writer:{password}@{url}", QUEUE, 2.0
            )
            self.addCleanup(publisher.close)
            if password == "right":
                publisher.publish([b"{}"])
                continue
            with self.assertRaises(errors.BusUnavailable) as caught:
                publisher.publish([b"{}"])
            self.assertIn("refused", str(caught.exception).lower())
            self.assertNotIn(password, str(caught.exception))
        self.assertEqual(b"{}", self.channel().basic_get(QUEUE).body.encode())

    def test_kill_9_of_aodhs_broker_loses_nothing(self) -> None:
        self.declare()
        self.start()
        self.aodh.kill9()
        with self.assertLogs("escalator.drivers.sink.aodh", "WARNING"):
            self.publisher.publish(fakes.host_down("red"))
            time.sleep(2)
            self.assertTrue(self.outcomes.empty())
        self.aodh.restart()
        # As Aodh's listener does: a young queue may not outlive a kill -9.
        self.declare()
        outcome = self.outcome()
        self.assertEqual("delivered", outcome.state)
        self.assertGreater(outcome.attempts, 1)
        self.assertIn("escalator.host.down", self.read(self.channel()))

    def test_dead_letters_reach_aodh_after_all(self) -> None:
        """DR-6: they wait with their text; when the queue is there they are sent."""
        self.conf.set_override("aodh_retry_s", 0.3, group="notifier")
        with self.assertLogs("escalator.drivers.sink.aodh", "WARNING"):
            self.start()
            self.publisher.publish(fakes.host_down("red"))
            dead = [self.outcome() for _ in range(2)]
        self.assertEqual({"dead"}, {each.state for each in dead})
        self.declare()
        for each in dead:
            self.publisher.publish(
                events.ResendRequested(
                    event_id=str(uuid.uuid4()),
                    notice_id=each.notice_id,
                    cause_id=each.cause_id,
                    fault_ids=each.fault_ids,
                    subscription_id=each.subscription_id,
                    project_id=each.project_id,
                    body=each.body,
                )
            )
        again = [self.outcome() for _ in range(2)]
        self.assertEqual(
            {(each.notice_id, "delivered", "") for each in dead},
            {(each.notice_id, each.state, each.body) for each in again},
        )
        kinds = self.read(self.channel())
        self.assertEqual(["escalator.host.down", "compute.instance.update"], kinds)

    def test_kill_9_of_the_notifier_loses_nothing(self) -> None:
        """The fact is not acknowledged while Aodh's part of it is open."""
        child = multiprocessing.get_context("spawn").Process(
            target=run_notifier,
            args=(self.broker.url, self.aodh.url, self.conf.bus.prefix),
        )
        child.start()
        self.addCleanup(child.kill)
        fact = fakes.host_down("red")
        self.publisher.publish(fact)
        self.assertTrue(bus_fixtures.eventually(self.is_held, WAIT_S))
        child.kill()
        child.join(10)
        self.declare()
        self.start()
        outcome = self.outcome()
        self.assertEqual(
            ("delivered", fact.event_id), (outcome.state, outcome.cause_id)
        )
        self.assertIn("compute.instance.update", self.read(self.channel()))

    def is_held(self) -> bool:
        """Tell whether a notifier has a fact in hand."""
        lines = self.broker.ctl("list_queues", "name", "messages_unacknowledged")
        mine = [line.split() for line in lines.splitlines()]
        prefix = self.conf.bus.prefix
        return any(
            name.startswith(prefix) and "notifier" in name and int(count)
            for name, count in mine
        )
