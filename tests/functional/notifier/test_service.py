"""The notifier on a real RabbitMQ with real consumers."""

import pathlib
import queue
import tempfile
import time
import unittest
import uuid
from typing import Any

from oslo_config import cfg

from escalator.bus import events as bus
from escalator.domain import events
from escalator.drivers.sink import webhook
from escalator.notifier import service, settings
from tests.fixtures import bus as bus_fixtures
from tests.fixtures import consumer, rabbit
from tests.unit.notifier import fakes

KEY = "0123456789abcdef0123456789abcdef"
WAIT_S = 15.0


class NotifierTest(unittest.TestCase):
    broker: rabbit.Rabbit

    @classmethod
    def setUpClass(cls) -> None:
        cls.broker = rabbit.Rabbit().start()
        cls.addClassCleanup(cls.broker.stop)

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.conf = self.make_conf()
        self.store = fakes.FakeStore()
        self.store.plug_in(self.addCleanup)
        self.publisher = bus.EventPublisher(self.conf)
        self.addCleanup(self.publisher.close)
        self.outcomes: queue.SimpleQueue[events.NoticeSettled] = queue.SimpleQueue()
        self.listen("conductor", events.NoticeSettled)

    def make_conf(self) -> cfg.ConfigOpts:
        """Return options with names of their own on the shared broker."""
        conf = bus_fixtures.make_conf(self.broker.url)
        for name, value in (
            ("signing_key", KEY),
            ("allowed_networks", ["127.0.0.0/8"]),
            ("timeout_s", 1.0),
            ("attempts", 2),
            ("backoff_s", 0.05),
        ):
            conf.set_override(name, value, group="notifier")
        return conf

    def listen(self, pool: str, kind: type[Any]) -> None:
        def take(deliveries: list[Any]) -> None:
            for delivery in deliveries:
                self.outcomes.put(delivery.event)

        listener = bus.EventListener(self.conf, pool, {kind: take})
        listener.start()
        self.addCleanup(listener.wait, 2.0)
        self.addCleanup(listener.stop)

    def consumer(
        self, project_id: str, min_probes: int = 1, **options: Any
    ) -> consumer.ConsumerProcess:
        """Start a consumer and subscribe it."""
        name = f"{project_id}-{min_probes}"
        process = consumer.ConsumerProcess(self.directory / name, **options)
        self.addCleanup(process.stop)
        row = fakes.row(project_id)
        row |= {"url": process.url, "min_probes": min_probes}
        self.store.rows.append(row)
        return process

    def start(self) -> service.NotifierService:
        notifier = service.NotifierService(
            self.conf,
            self.publisher,
            bus.EventListener,
            [webhook.Webhook(**settings.webhook_options(self.conf))],
            None,
        )
        notifier.start()
        self.addCleanup(notifier.wait, 1.0)
        self.addCleanup(notifier.stop)
        return notifier

    def outcome(self) -> events.NoticeSettled:
        return self.outcomes.get(timeout=WAIT_S)

    def left_on_broker(self) -> int:
        """Return messages in the notifier's queue, handed out or not."""
        lines = self.broker.ctl("list_queues", "name", "messages").splitlines()
        prefix = self.conf.bus.prefix
        mine = [line.split() for line in lines if line.startswith(prefix)]
        return sum(int(count) for name, count in mine if "notifier" in name)

    def wait_empty(self) -> None:
        deadline = time.monotonic() + WAIT_S
        while self.left_on_broker() and time.monotonic() < deadline:
            time.sleep(0.2)
        self.assertEqual(0, self.left_on_broker())

    def test_a_fact_published_before_the_start_is_told(self) -> None:
        """Issue 2, part 5: nothing is lost, and only owners hear (DR-7)."""
        red, blue = self.consumer("red"), self.consumer("blue")
        self.publisher.publish(fakes.host_down("red"))
        self.start()
        outcome = self.outcome()
        self.assertEqual("delivered", outcome.state)
        self.assertEqual({"T6", "T7", "T8", "T9"}, set(outcome.times))
        hops = [outcome.times[hop] for hop in sorted(outcome.times)]
        self.assertEqual(sorted(hops), hops)
        self.assertEqual((1, 0), (len(red.heard()), len(blue.heard())))
        self.wait_empty()

    def test_each_owner_hears_when_its_number_of_probes_agrees(self) -> None:
        """DR-4: k of n for each subscription; DR-10: the end to who heard."""
        one, two, three = (self.consumer("red", count) for count in (1, 2, 3))
        self.start()
        (impact,) = fakes.host_down("red").impacts
        found = fakes.with_probes(impact, "icmp")
        fact = events.HostMarkedDown(str(uuid.uuid4()), (found,))
        self.publisher.publish(fact)
        self.assertEqual("delivered", self.outcome().state)
        self.assertEqual([1, 0, 0], [len(each.heard()) for each in (one, two, three)])
        grown = fakes.corroborated(fact, "icmp", "tcp")
        self.publisher.publish(grown)
        self.publisher.publish(grown)
        self.assertEqual("delivered", self.outcome().state)
        self.wait_empty()
        self.assertEqual([1, 1, 0], [len(each.heard()) for each in (one, two, three)])
        self.publisher.publish(
            events.HostMarkedUp(str(uuid.uuid4()), grown.impacts, 9.0)
        )
        self.assertEqual("delivered", self.outcome().state)
        self.assertEqual("delivered", self.outcome().state)
        self.wait_empty()
        self.assertTrue(self.outcomes.empty())
        self.assertEqual([2, 2, 0], [len(each.heard()) for each in (one, two, three)])

    def test_a_hung_owner_delays_nobody_and_becomes_a_dead_letter(self) -> None:
        self.consumer("red", delay=60)
        blue = self.consumer("blue")
        self.start()
        self.publisher.publish(fakes.host_down("red", "blue"))
        self.publisher.publish(fakes.host_down("blue"))
        blue.wait(2, WAIT_S)
        states = [self.outcome().state for _ in range(3)]
        self.assertEqual(["delivered", "delivered", "dead"], states)
        self.wait_empty()

    def test_a_notifier_that_stops_leaves_its_notice_to_the_next(self) -> None:
        red = self.consumer("red", fail=1)
        self.conf.set_override("backoff_s", 30.0, group="notifier")
        self.conf.set_override("backoff_max_s", 30.0, group="notifier")
        first = self.start()
        self.publisher.publish(fakes.host_down("red"))
        red.wait(1, WAIT_S)
        first.stop()
        first.wait(0.1)
        self.assertTrue(self.outcomes.empty())
        self.start()
        self.assertEqual("delivered", self.outcome().state)
        self.assertEqual(2, len(red.heard()))
        self.wait_empty()

    def test_kill_9_of_the_broker_loses_no_notice_and_repeats_none(self) -> None:
        red = self.consumer("red", delay=0.5)
        self.start()
        self.publisher.publish(fakes.host_down("red"))
        red.wait(1, WAIT_S)
        self.broker.restart()
        self.assertEqual("delivered", self.outcome().state)
        self.wait_empty()
        self.assertEqual(1, len(red.heard()))

    def test_any_number_of_dead_letters_delays_no_fact(self) -> None:
        """DR-1: a consumer that hangs is sent more than the prefetch again."""
        self.conf.set_override("prefetch", 10, "bus")
        self.conf.set_override("timeout_s", 30.0, group="notifier")
        hung, blue = self.consumer("red", delay=60), self.consumer("blue")
        subscription_id = self.store.rows[0]["id"]
        self.start()
        for _ in range(40):
            self.publisher.publish(
                events.ResendRequested(
                    event_id=str(uuid.uuid4()),
                    notice_id=str(uuid.uuid4()),
                    cause_id=str(uuid.uuid4()),
                    fault_ids=(),
                    subscription_id=subscription_id,
                    project_id="red",
                    body="{}",
                )
            )
        self.assertTrue(hung.wait(1, WAIT_S))
        news = events.CampaignChanged(
            event_id=str(uuid.uuid4()),
            campaign_id=str(uuid.uuid4()),
            name="rolling",
            project_id="blue",
            from_state="running",
            to_state="paused",
            reason="",
            hosts=(),
            occurred_at=1.0,
        )
        for count, fact in enumerate((fakes.host_down("blue"), news), 1):
            self.publisher.publish(fact)
            self.assertEqual(count, len(blue.wait(count, 5.0)))

    def test_a_new_subscription_is_known_at_once(self) -> None:
        self.conf.set_override("subscriptions_interval_s", 60.0, group="notifier")
        self.start()
        self.consumer("green")
        deadline = time.monotonic() + WAIT_S
        while self.outcomes.empty() and time.monotonic() < deadline:
            self.publisher.publish(events.SubscriptionsChanged(str(uuid.uuid4()), ()))
            self.publisher.publish(fakes.host_down("green"))
            time.sleep(0.2)
        self.assertEqual("delivered", self.outcome().state)
