"""Signatures and address rules of webhooks (issue 2, part 6)."""

import unittest

from escalator import errors
from escalator.domain import webhook

KEY = "0123456789abcdef0123456789abcdef"


class SecretTest(unittest.TestCase):
    def test_secrets_differ_by_subscription_and_by_key(self) -> None:
        secrets = {
            webhook.secret_for(KEY, "a"),
            webhook.secret_for(KEY, "b"),
            webhook.secret_for(KEY[::-1], "a"),
        }
        self.assertEqual(3, len(secrets))
        self.assertEqual({64}, {len(secret) for secret in secrets})

    def test_secret_is_pinned(self) -> None:
        """Consumers keep it: another derivation would break every one."""
        self.assertEqual(
            "00b54da1dde5a02f8774b8d4f39078f6005f201bdcf851b465a33201acd84b58",
            webhook.secret_for(KEY, "subscription"),
        )


class SignatureTest(unittest.TestCase):
    def setUp(self) -> None:
        self.header = webhook.sign("secret", "1000.5", b"{}")

    def test_accepts_own(self) -> None:
        self.assertTrue(webhook.verify("secret", "1000.5", b"{}", self.header, 1001))

    def test_refuses_anything_changed(self) -> None:
        for secret, stamp, body, header in (
            ("Secret", "1000.5", b"{}", self.header),
            ("secret", "1000.6", b"{}", self.header),
            ("secret", "1000.5", b"{ }", self.header),
            ("secret", "1000.5", b"{}", self.header[:-1] + "x"),
            ("secret", "1000.5", b"{}", "\u00e4"),
            ("secret", "", b"{}", self.header),
        ):
            with self.subTest(secret=secret, stamp=stamp, body=body, header=header):
                self.assertFalse(webhook.verify(secret, stamp, body, header, 1001))

    def test_refuses_stale(self) -> None:
        late = 1000.5 + webhook.TOLERANCE_S + 1
        self.assertFalse(webhook.verify("secret", "1000.5", b"{}", self.header, late))


class AddressTest(unittest.TestCase):
    def test_refuses_the_operators_own_ground(self) -> None:
        for text in (
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1%eth0",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "2002:7f00:0001::",
            "2002:a9fe:a9fe::1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "127.1",
            "",
        ):
            with self.subTest(text), self.assertRaises(errors.UnsafeUrl):
                webhook.check_address(text)

    def test_accepts_where_consumers_live(self) -> None:
        for text in (
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "8.8.8.8",
            "fd00::1",
            "2001:4860:4860::8888",
            "::ffff:10.0.0.1",
            "64:ff9b::808:808",
        ):
            with self.subTest(text):
                webhook.check_address(text)

    def test_operator_may_allow_a_network_and_only_that(self) -> None:
        allowed = webhook.parse_networks(["127.1.0.0/16", " ::1/128"])
        webhook.check_address("127.1.2.3", allowed)
        webhook.check_address("::ffff:127.1.2.3", allowed)
        webhook.check_address("::1", allowed)
        with self.assertRaises(errors.UnsafeUrl):
            webhook.check_address("127.2.0.1", allowed)


class UrlTest(unittest.TestCase):
    def test_refuses(self) -> None:
        for url, reason in (
            ("ftp://consumer/", "http"),
            ("file:///etc/passwd", "http"),
            ("//consumer/", "http"),
            ("http://", "host"),
            ("http:///path", "host"),
            ("http://user:pw@consumer/", "password"),
            ("http://@consumer/", "password"),
            ("http://consumer:0/", "port"),
            ("http://consumer:99999/", "ort"),
            ("http://[::1/", "IPv6"),
            ("http://a b/", "white space"),
            ("http://consumer\r\nX: y/", "control"),
            ("http://good\\@evil/", "backslash"),
            ("http://127.0.0.1:8080/", "loopback"),
            ("http://[::ffff:169.254.169.254]/", "link-local"),
            ("http://localhost/", "loopback"),
            ("http://a.localhost/", "loopback"),
            ("http://LOCALHOST/", "loopback"),
        ):
            with self.subTest(url):
                with self.assertRaises(errors.UnsafeUrl) as caught:
                    webhook.check_url(url)
                self.assertIn(reason, str(caught.exception))

    def test_does_not_repeat_a_password(self) -> None:
        with self.assertRaises(errors.UnsafeUrl) as caught:
            webhook.check_url("http://user:hunter2@consumer/")
        self.assertNotIn("hunter2", str(caught.exception))

    def test_accepts(self) -> None:
        for url in (
            "http://consumer.example:8080/faults?x=1",
            "https://10.0.0.7/",
            "https://[fd00::1]:8443/hook",
        ):
            with self.subTest(url):
                webhook.check_url(url)

    def test_allowed_loopback(self) -> None:
        allowed = webhook.parse_networks(["127.0.0.0/8"])
        webhook.check_url("http://127.0.0.1:1/", allowed)
        webhook.check_url("http://localhost:1/", allowed)

    def test_a_lane_is_host_and_port(self) -> None:
        self.assertEqual("a:80", webhook.lane_of("http://A/x"))
        self.assertEqual("a:443", webhook.lane_of("https://a/y?z"))
        self.assertEqual("a:8", webhook.lane_of("http://a:8/"))
