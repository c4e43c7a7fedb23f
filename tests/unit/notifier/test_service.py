"""The notifier put together, with fakes around it."""

import threading
import unittest
import uuid

from oslo_config import cfg

from escalator import errors
from escalator.conf import notifier as notifier_conf
from escalator.domain import events
from escalator.notifier import service, settings, subscriptions
from tests.unit.notifier import fakes

KEY = "0123456789abcdef0123456789abcdef"


def make_conf(**overrides: object) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    notifier_conf.register_opts(conf)
    conf([])
    values = {"signing_key": KEY, "subscriptions_interval_s": 60.0, **overrides}
    for name, value in values.items():
        conf.set_override(name, value, group="notifier")
    return conf


class SettingsTest(unittest.TestCase):
    def test_bad_options_are_refused_by_name(self) -> None:
        for option, value in (
            ("signing_key", None),
            ("signing_key", "too short"),
            ("allowed_networks", ["127.0.0.1/99"]),
        ):
            with self.subTest(option, value=value):
                with self.assertRaises(errors.ConfigError) as caught:
                    settings.webhook_options(make_conf(**{option: value}))
                self.assertIn(f"[notifier]/{option}", str(caught.exception))

    def test_a_service_without_a_key_does_not_come_up(self) -> None:
        with self.assertRaises(errors.ConfigError):
            service.NotifierService(
                make_conf(signing_key=""),
                fakes.FakePublisher(),
                fakes.FakeListener,
                [fakes.FakeSink()],
                None,
            )


class ServiceTest(unittest.TestCase):
    def setUp(self) -> None:
        self.store = fakes.FakeStore([fakes.row("red")])
        self.store.plug_in(self.addCleanup)
        self.sink = fakes.FakeSink()
        self.publisher = fakes.FakePublisher()
        self.made: list[fakes.FakeListener] = []

    def listen(self, *args: object, **options: object) -> fakes.FakeListener:
        self.made.append(fakes.FakeListener(*args, **options))  # type: ignore
        return self.made[0]

    def start(self) -> fakes.FakeListener:
        self.notifier = service.NotifierService(
            make_conf(), self.publisher, self.listen, [self.sink], None
        )
        self.notifier.start()
        self.addCleanup(self.notifier.wait, 0.0)
        self.addCleanup(self.notifier.stop)
        return self.made[0]

    def test_acknowledges_after_the_outcome_is_published(self) -> None:
        listener = self.start()
        self.assertTrue(listener.is_started.wait(2))
        self.assertTrue(listener.is_manual)
        delivery = fakes.FakeDelivery(fakes.host_down("red"))
        listener.receive(delivery)
        self.assertEqual((0, []), (delivery.acks, self.publisher.facts))
        self.sink.settle_all()
        self.notifier.stop()
        self.notifier.wait(2.0)
        self.assertEqual(1, delivery.acks)
        self.assertIsInstance(self.publisher.facts[0], events.NoticeSettled)
        self.assertEqual(["start", "stop", "wait"], listener.calls)
        self.assertEqual(["start", "stop"], self.sink.calls)

    def test_takes_no_fact_before_it_knows_the_subscriptions(self) -> None:
        self.store.is_away = True
        listener = self.start()
        self.assertTrue(self.store.reads.acquire(timeout=2))
        self.assertFalse(listener.is_started.is_set())
        self.store.is_away = False
        self.notifier._subscriptions.refresh()
        self.assertTrue(listener.is_started.wait(2))

    def receive_letter(self, listener: fakes.FakeListener) -> fakes.FakeDelivery:
        """Let a wish for a dead letter come in."""
        letter = events.ResendRequested(
            str(uuid.uuid4()), "n", "c", (), self.store.rows[0]["id"], "red", "{}"
        )
        delivery = fakes.FakeDelivery(letter)
        listener.receive(delivery)
        return delivery

    def test_a_dead_letter_is_acknowledged_when_its_outcome_is_published(self) -> None:
        listener = self.start()
        self.assertTrue(listener.is_started.wait(2))
        delivery = self.receive_letter(listener)
        self.assertEqual(["n"], [each.id for each in self.sink.notices])
        self.sink.settle_all()
        self.notifier.stop()
        self.notifier.wait(2.0)
        self.assertEqual(1, delivery.acks)

    def test_stopping_waits_for_dead_letters_too(self) -> None:
        listener = self.start()
        self.assertTrue(listener.is_started.wait(2))
        delivery = self.receive_letter(listener)
        self.notifier.stop()
        late = threading.Timer(0.1, self.sink.settle_all)
        late.start()
        self.addCleanup(late.join)
        self.notifier.wait(5.0)
        self.assertEqual(1, delivery.acks)

    def test_a_change_is_heard_at_once(self) -> None:
        """Long before subscriptions_interval_s, here a minute, is over."""
        listener = self.start()
        for _ in range(2):  # at the start, and again when listening
            self.assertTrue(self.store.reads.acquire(timeout=2))
        self.store.rows.append(fakes.row("blue"))
        change = fakes.FakeDelivery(events.SubscriptionsChanged("e", ()))
        listener.receive(change)
        self.assertTrue(self.store.reads.acquire(timeout=2))
        self.notifier.stop()
        listener.receive(fakes.FakeDelivery(fakes.host_down("blue")))
        self.assertEqual((1, 1), (change.acks, len(self.sink.notices)))


class SubscriptionsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.store = fakes.FakeStore([fakes.row("red")])
        self.store.plug_in(self.addCleanup)
        self.kept = subscriptions.Subscriptions(None, 60.0, lambda: None)
        self.addCleanup(self.kept.stop, 1.0)

    def test_reads_all_pages(self) -> None:
        self.store.rows = [fakes.row("red") for _ in range(2 * subscriptions.PAGE + 1)]
        self.kept._read()
        owners = list(self.kept.directory.owners("red"))
        self.assertEqual(2 * subscriptions.PAGE + 1, len(owners))

    def test_keeps_the_last_list_while_the_conductor_is_away(self) -> None:
        self.assertTrue(self.kept._read())
        self.store.is_away = True
        with self.assertLogs("escalator.notifier.subscriptions", "WARNING"):
            self.assertFalse(self.kept._read())
        self.assertEqual(1, len(list(self.kept.directory.owners("red"))))
