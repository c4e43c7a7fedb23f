"""Nova's versioned notifications over a real RabbitMQ (DR-5)."""

import json
import pathlib
import tempfile
import time
import unittest
import uuid

import kombu

from escalator.bus import transport
from escalator.drivers import base
from escalator.drivers.vim.openstack import driver, feed, following, model, settings
from tests.fixtures import bus as helpers
from tests.fixtures import certificates, notifications, ports, rabbit
from tests.fixtures import nova as novas

TOPIC = "versioned_notifications"
KEY = f"{TOPIC}.info"
NOT_HEARD = "Nova's notifications are not heard"
LISTENING = "Listening to Nova's notifications"


def host(name):
    return base.VimHost(name, "", "compute", "", "", True, False)


class Case(unittest.TestCase):
    """A broker, and what Nova does there; each test has an exchange of its own."""

    @classmethod
    def setUpClass(cls):
        cls.broker = cls.start_broker()
        cls.url, cls.ssl = cls.kombus(cls.broker.url)

    @classmethod
    def kombus(cls, url):
        """Return kombu's URL and ``ssl`` of what ``[vim] notifications_url`` says."""
        conf = helpers.make_conf()
        return transport.kombu_urls(conf, url)[0], transport.ssl_options(conf, url)

    @classmethod
    def start_broker(cls):
        return rabbit.shared()

    def setUp(self):
        name = f"nova-{uuid.uuid4().hex[:8]}"
        self.exchange = kombu.Exchange(name, type="topic", durable=False)
        self.send()
        self.model = model.Model()
        self.model.take_snapshot([host("c1"), host("c2")], [], {}, time.time())
        self.connects = []

    def send(self, *bodies, **properties):
        """Publish as Nova does, which makes its exchange where there is none."""
        with kombu.Connection(self.url, ssl=self.ssl) as connection:
            producer = connection.Producer()
            self.exchange(producer.channel).declare()
            for body in bodies:
                producer.publish(
                    body, exchange=self.exchange, routing_key=KEY, **properties
                )

    def notify(self, kind, data):
        """Publish a notification in oslo.messaging's envelope."""
        told = json.dumps(notifications.make(kind, data))
        self.send({"oslo.version": "2.0", "oslo.message": told})

    def tell(self, kind, **data):
        """Publish what becomes of the instance ``i1``."""
        self.notify(kind, {**notifications.INSTANCE, **data})

    def begin(self, *urls, ssl=None):
        """Start a feed into the model."""
        made = feed.Feed(
            urls or (self.url,),
            self.ssl if ssl is None else ssl,
            self.exchange.name,
            TOPIC,
            self.model.hear,
            self.model.hear_host,
            lambda: self.connects.append(time.monotonic()),
        )
        made.start()
        self.addCleanup(made._thread.join, 10.0)
        self.addCleanup(made.stop)

    def listen(self, *urls):
        """Start a feed and wait until it has connected."""
        self.begin(*urls)
        self.await_connect(1)

    def await_connect(self, count):
        self.eventually(lambda: len(self.connects) >= count)

    def await_place(self, *place):
        """Wait until the map has ``i1`` there in that state; nothing: nowhere."""

        def is_so():
            known = self.model.find("i1")
            return place == ((known.host, known.state) if known else ())

        self.eventually(is_so, place)

    def await_line(self, log, pattern, count=1):
        self.eventually(
            lambda: sum(pattern in line for line in list(log.output)) >= count, pattern
        )

    def eventually(self, check, what=None):
        self.assertTrue(helpers.eventually(check, 20.0), what)


class MapTest(Case):
    def test_an_instance_from_its_creation_to_its_end(self):
        self.listen()
        self.tell("instance.create.end")
        self.await_place("c1", "active")
        self.tell("instance.update", state="stopped")
        self.await_place("c1", "stopped")
        self.tell("instance.live_migration_post_dest.end", host="c2")
        self.await_place("c2", "active")
        self.tell("instance.delete.end", host="c2", state="deleted")
        self.await_place()
        self.assertEqual(1, len(self.connects))

    def test_a_host_that_somebody_else_forces_down(self):
        self.listen()
        self.notify("service.update", {**notifications.SERVICE, "forced_down": True})
        self.eventually(lambda: self.model.hosts()[0].is_forced_down)

    def test_without_an_envelope(self):
        """The driver ``messaging`` sends it bare."""
        self.listen()
        self.send(notifications.make("instance.update", notifications.INSTANCE))
        self.await_place("c1", "active")

    def test_it_takes_nothing_from_another_listener(self):
        with kombu.Connection(self.url) as connection:
            queue = kombu.Queue("", self.exchange, routing_key=KEY, exclusive=True)
            ceilometer = queue(connection.channel())
            ceilometer.declare()
            self.listen()
            self.tell("instance.create.end")
            self.await_place("c1", "active")
            self.eventually(lambda: ceilometer.get(no_ack=True))


class MalformedTest(Case):
    def test_it_is_logged_and_dropped_and_the_feed_goes_on(self):
        self.listen()
        bodies = [
            [],
            {},
            {"oslo.version": "2.0", "oslo.message": "{"},
            notifications.make("instance.update", None),
            notifications.make("instance.update", {"uuid": "i1"}),
            notifications.make("service.update", ["nova-compute"]),
        ]
        undecodable = [
            (b"{", "application/json"),
            (b"\xff\xfe", "application/json"),
            (b"cos\nsystem\n.", "application/x-python-serialize"),
        ]
        with self.assertLogs(feed.LOG, "WARNING") as log:
            for body in bodies:
                self.send(body)
            for content, kind in undecodable:
                self.send(content, content_type=kind, content_encoding="utf-8")
            self.tell("instance.create.end")
            self.await_place("c1", "active")
        self.assertEqual(1, len(self.connects), log.output)
        self.assertEqual(len(bodies) + len(undecodable), len(log.output), log.output)
        for line in log.output:
            self.assertIn("A notification of Nova's was not understood", line)


class ConnectionTest(Case):
    def test_the_first_broker_of_two_is_away(self):
        self.listen(f"pyamqp://127.0.0.1:{ports.free_port()}//", self.url)
        self.tell("instance.create.end")
        self.await_place("c1", "active")

    def test_nova_has_never_sent_anything(self):
        """There is no exchange yet, and nobody but Nova makes it."""
        with kombu.Connection(self.url) as connection:
            self.exchange(connection.default_channel).delete()
        with self.assertLogs(feed.LOG, "WARNING") as log:
            self.begin()
            self.await_line(log, NOT_HEARD)
        self.send()
        self.await_connect(1)
        self.tell("instance.create.end")
        self.await_place("c1", "active")

    def test_a_stream_of_notifications_leaves_time_for_heartbeats(self):
        """A broker drops the connection of one who is silent for two of them."""
        self.addCleanup(setattr, feed, "HEARTBEAT_S", feed.HEARTBEAT_S)
        feed.HEARTBEAT_S = 2
        self.listen()
        for number in range(100):
            self.tell("instance.update", display_name=f"vm-{number}")
            time.sleep(0.1)
        self.eventually(lambda: self.model.find("i1").name == "vm-99")
        self.assertEqual(1, len(self.connects))


class TlsTest(Case):
    """Nova's broker speaks TLS only, and shows who it is."""

    @classmethod
    def start_broker(cls):
        place = tempfile.TemporaryDirectory(prefix="escalator-tls-")
        cls.addClassCleanup(place.cleanup)
        cls.directory = certificates.make(pathlib.Path(place.name))
        broker = rabbit.Rabbit(tls=cls.directory)
        cls.addClassCleanup(broker.stop)
        return broker.start()

    @classmethod
    def kombus(cls, url):
        return super().kombus(f"{url}?ssl=1&ssl_ca_file={cls.directory / 'ca.pem'}")

    def test_over_a_verified_connection(self):
        self.listen()
        self.tell("instance.create.end")
        self.await_place("c1", "active")

    def test_a_broker_of_another_authority_is_not_listened_to(self):
        with tempfile.TemporaryDirectory() as name:
            other = certificates.make(pathlib.Path(name)) / "ca.pem"
            with self.assertLogs(feed.LOG, "WARNING") as log:
                self.begin(ssl={**self.ssl, "ca_certs": str(other)})
                self.await_line(log, "CERTIFICATE_VERIFY_FAILED", 2)
        self.assertEqual([], self.connects)


class KillTest(Case):
    """What was missed while the broker was away, a snapshot shows."""

    @classmethod
    def start_broker(cls):
        broker = rabbit.Rabbit()
        cls.addClassCleanup(broker.stop)
        return broker.start()

    def await_quiet(self, nova):
        """Wait until the snapshots are over that a start and a connect ask for."""
        calls = -1
        while calls != len(nova.calls):
            calls = len(nova.calls)
            time.sleep(1.0)

    def test_a_connection_that_the_broker_closes(self):
        self.listen()
        with self.assertLogs(feed.LOG, "WARNING") as log:
            self.broker.ctl("close_all_connections", "on purpose")
            self.await_connect(2)
        self.assertIn(NOT_HEARD, log.output[0])
        self.tell("instance.create.end")
        self.await_place("c1", "active")

    def test_the_driver_goes_on_after_a_kill(self):
        nova = novas.Nova()
        self.addCleanup(nova.stop)
        nova.add_host("c1")
        source = following.Source((self.url,), False, self.exchange.name, TOPIC, 3600.0)
        vim = driver.Openstack(nova.compute(), 2.0, settings.Options(source=source))
        self.addCleanup(vim.stop)
        with self.assertLogs(feed.LOG, "INFO") as log:
            self.assertEqual([], vim.list_instances())
            self.await_line(log, LISTENING)
            self.await_quiet(nova)
            self.broker.kill9()
            self.await_line(log, NOT_HEARD)
            missed = nova.add_server("c1")
            self.assertEqual([], vim.list_instances(), "answered from memory")
            self.broker.restart()
            self.send()
            self.await_line(log, LISTENING, 2)
        self.eventually(lambda: vim.list_instances())
        self.assertEqual([missed], [each.id for each in vim.list_instances()])
        self.await_quiet(nova)
        self.tell("instance.create.end")
        self.eventually(lambda: len(vim.list_instances()) == 2)
