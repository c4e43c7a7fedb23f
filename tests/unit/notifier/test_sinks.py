"""Which sinks a configuration asks for."""

import unittest
from typing import Any

from escalator import errors
from escalator.bus import samples
from escalator.cmd import sinks
from escalator.drivers.sink import aodh, webhook
from escalator.notifier import settings
from tests.fixtures import bus as bus_fixtures

KEY = "0123456789abcdef0123456789abcdef"


def make_conf(**overrides: Any) -> Any:
    conf = bus_fixtures.make_conf("rabbit://me:secret@ours/")
    for name, value in overrides.items():
        conf.set_override(name, value, group="notifier")
    return conf


class SinksTest(unittest.TestCase):
    def test_each_once_in_the_order_of_the_option(self) -> None:
        conf = make_conf(sinks=["aodh", "webhook", "aodh"], signing_key=KEY)
        sinks.check(conf)
        kinds = [type(each) for each in sinks.make(conf)]
        self.assertEqual([aodh.Aodh, webhook.Webhook], kinds)

    def test_aodh_alone_needs_no_signing_key(self) -> None:
        conf = make_conf(sinks=["aodh"])
        sinks.check(conf)
        self.assertEqual([aodh.Aodh], [type(each) for each in sinks.make(conf)])

    def test_one_that_is_not_installed_stops_the_notifier(self) -> None:
        with self.assertRaises(errors.NoSuchDriver):
            sinks.check(make_conf(sinks=["aodh", "pigeon"]))

    def test_none_at_all_stops_the_notifier(self) -> None:
        with self.assertRaises(errors.ConfigError) as caught:
            sinks.check(make_conf(sinks=[]))
        self.assertIn("[notifier]/sinks", str(caught.exception))

    def test_the_instances_may_be_left_to_nova(self) -> None:
        for value, expected in (("direct", True), ("nova", False)):
            made = settings.aodh_options(make_conf(aodh_instance_events=value))
            self.assertEqual(expected, made["with_instances"])

    def test_half_of_the_prefetch_may_wait_for_aodh(self) -> None:
        conf = make_conf(aodh_connections=4)
        conf.set_override("prefetch", 80, "bus")
        options = settings.aodh_options(conf)
        self.assertEqual(10, options["patience"].waiting_limit)

    def test_aodhs_broker_is_ours_unless_named(self) -> None:
        for url, host in ((None, "ours"), ("rabbit://a:b@theirs/", "theirs")):
            made = sinks.aodh_publisher(make_conf(aodh_transport_url=url))()
            self.assertIsInstance(made, samples.SamplePublisher)
            self.assertIn(f"@{host}/", made._broker._urls[0])
