"""The bus over TLS, and a list of brokers of which one is away."""

import pathlib
import tempfile
import unittest
from typing import Any

from escalator import context, errors
from escalator.bus import events as bus
from escalator.bus import rpcapi, server, transport
from escalator.domain import events
from tests.fixtures import bus as helpers
from tests.fixtures import certificates, ports, rabbit


class Conductor:
    target = server.endpoint_target("1.0")

    def campaign_explain(self, ctxt: Any, campaign_id: str) -> list[Any]:
        return [campaign_id]


class Tls(unittest.TestCase):
    broker: rabbit.Rabbit
    directory: pathlib.Path

    @classmethod
    def setUpClass(cls) -> None:
        holder = tempfile.TemporaryDirectory(prefix="escalator-tls-")
        cls.addClassCleanup(holder.cleanup)
        cls.directory = certificates.make(pathlib.Path(holder.name))
        cls.broker = rabbit.Rabbit(tls=cls.directory).start()
        cls.addClassCleanup(cls.broker.stop)

    def secure_conf(self, authority: str) -> Any:
        conf = helpers.make_conf(self.broker.url, publish_timeout_s=10.0)
        conf.set_override("ssl", True, transport.RABBIT_GROUP)
        conf.set_override(
            "ssl_ca_file", str(self.directory / authority), transport.RABBIT_GROUP
        )
        return conf

    def test_facts_and_calls_cross_a_verified_connection(self) -> None:
        """A-2: facts use the same options as RPC."""
        conf = self.secure_conf("ca.pem")
        self.addCleanup(transport.release, conf)
        inbox = helpers.Inbox()
        listener = bus.EventListener(conf, "inspector", {events.FaultConfirmed: inbox})
        listener.start()
        self.addCleanup(listener.wait, 5.0)
        self.addCleanup(listener.stop)
        publisher = bus.EventPublisher(conf)
        self.addCleanup(publisher.close)
        publisher.publish_all([helpers.fault(size=n * 1000) for n in range(60)])
        self.assertTrue(inbox.wait(60))
        served = server.RpcServer(conf, "conductor", "c1", [Conductor()])
        self.assertTrue(served.start())
        self.addCleanup(served.wait, 10.0)
        self.addCleanup(served.stop)
        api = rpcapi.ConductorAPI(conf)
        self.assertEqual(["x"], api.campaign_explain(context.RequestContext(), "x"))

    def test_a_broker_of_another_authority_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            other = certificates.make(pathlib.Path(name)) / "ca.pem"
            publisher = bus.EventPublisher(self.secure_conf(str(other)))
            with self.assertRaises(errors.BusUnavailable) as caught:
                publisher.publish(helpers.fault())
        self.assertIn("CERTIFICATE_VERIFY_FAILED", str(caught.exception))


class SeveralBrokers(unittest.TestCase):
    def test_the_next_broker_is_tried_when_one_is_away(self) -> None:
        broker = rabbit.shared()
        login = f"{broker.user}:{broker.password}"
        away = f"{login}@127.0.0.1:{ports.free_port()}"
        conf = helpers.make_conf(
            f"rabbit://{away},{login}@127.0.0.1:{broker.port}/", publish_timeout_s=10.0
        )
        inbox = helpers.Inbox()
        listener = bus.EventListener(conf, "inspector", {events.FaultConfirmed: inbox})
        listener.start()
        self.addCleanup(listener.wait, 5.0)
        self.addCleanup(listener.stop)
        publisher = bus.EventPublisher(conf)
        self.addCleanup(publisher.close)
        publisher.publish(helpers.fault())
        self.assertTrue(inbox.wait(1))
