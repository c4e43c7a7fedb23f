"""Where the broker is, and the private parts of oslo.messaging we rely on."""

import ssl
import unittest

from oslo_config import cfg
from oslo_messaging._drivers import impl_rabbit

from escalator.bus import transport
from tests.fixtures import bus as helpers


class Urls(unittest.TestCase):
    def test_each_host_becomes_one_url_with_its_own_credentials(self) -> None:
        conf = helpers.make_conf("rabbit://u:p%40ss@h1:5673,v:w@[::1]:5674/my%2Fhost")
        self.assertEqual(
            [
                "pyamqp://u:p%40ss@h1:5673/my%2Fhost",
                "pyamqp://v:w@[::1]:5674/my%2Fhost",
            ],
            transport.kombu_urls(conf),
        )

    def test_the_memory_broker_is_told_apart(self) -> None:
        conf = helpers.make_conf()
        self.assertTrue(transport.is_memory(conf))
        self.assertEqual(["memory://"], transport.kombu_urls(conf))
        self.assertFalse(transport.is_memory(helpers.make_conf("rabbit://h/")))

    def test_tls_options_are_those_of_oslo_messaging(self) -> None:
        """A-2: with an authority the broker's certificate is verified."""
        conf = helpers.make_conf("rabbit://h/")
        self.assertIs(False, transport.ssl_options(conf))
        conf.set_override("ssl", True, transport.RABBIT_GROUP)
        self.assertIs(True, transport.ssl_options(conf))
        conf.set_override("ssl_ca_file", "/ca.pem", transport.RABBIT_GROUP)
        conf.set_override("ssl_cert_file", "/c.pem", transport.RABBIT_GROUP)
        self.assertEqual(
            {
                "ca_certs": "/ca.pem",
                "certfile": "/c.pem",
                "cert_reqs": ssl.CERT_REQUIRED,
                "server_hostname": None,
            },
            transport.ssl_options(conf),
        )


class Library(unittest.TestCase):
    """An upgrade of oslo.messaging that moves these fails here first."""

    def test_our_defaults_are_options_that_exist(self) -> None:
        known = {option.name for option in impl_rabbit.rabbit_opts}
        self.assertLessEqual(set(transport.RABBIT_DEFAULTS), known)

    def test_our_defaults_are_in_force_on_a_fresh_configuration(self) -> None:
        """RU-8: without the queue manager a graceful stop loses calls."""
        conf = helpers.make_conf("rabbit://h/")
        group = conf[transport.RABBIT_GROUP]
        for name, value in transport.RABBIT_DEFAULTS.items():
            self.assertEqual(value, getattr(group, name), name)

    def test_processes_get_names_of_their_own(self) -> None:
        """Two of one name would read each other's replies."""
        names = set()
        for instance in ("0", "1"):
            conf = cfg.ConfigOpts()
            conf([], project="escalator", default_config_files=[])
            transport.prepare(conf, "escalator-conductor", instance)
            names.add(conf[transport.RABBIT_GROUP].processname)
        self.assertEqual({"escalator-conductor-0", "escalator-conductor-1"}, names)
