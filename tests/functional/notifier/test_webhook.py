"""The webhook sink against real consumer processes."""

import asyncio
import contextlib
import functools
import pathlib
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from typing import Any

import aiohttp.abc

from escalator.domain import webhook as rules
from escalator.drivers import base
from escalator.drivers.sink import lane, post, webhook
from tests.fixtures import consumer
from tests.unit.drivers import contract_sink

KEY = "0123456789abcdef0123456789abcdef"
LOOPBACK = rules.parse_networks(["127.0.0.0/8"])
QUICK = lane.Patience(
    timeout_s=0.5, attempts=3, backoff_s=0.02, backoff_max_s=0.1, connections=4
)


class Names(aiohttp.abc.AbstractResolver):
    """Resolves a name to the next address of a list, for ever to the last."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)

    async def resolve(
        self, host: str, port: int = 0, family: Any = socket.AF_INET
    ) -> list[Any]:
        found = self._addresses
        address = found.pop(0) if len(found) > 1 else found[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self) -> None:
        pass


class Bed(unittest.TestCase):
    """Starts consumers and sinks, and stops them."""

    def consumer(self, **options: Any) -> consumer.ConsumerProcess:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        record = pathlib.Path(directory.name, "heard")
        process = consumer.ConsumerProcess(record, **options)
        self.addCleanup(process.stop)
        return process

    def sending(self, patience: lane.Patience = QUICK, **options: Any) -> Any:
        sink = webhook.Webhook(KEY, patience, **{"allowed": LOOPBACK, **options})
        sink.start()
        self.addCleanup(sink.stop, 0.0)
        return contract_sink.Sending(sink)


class WebhookContractTest(contract_sink.SinkContract):
    """The promises of every sink, kept over real connections."""

    @classmethod
    def setUpClass(cls) -> None:
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        for name, options in (
            ("TAKES", {}),
            ("REFUSES", {"status": 404}),
            ("HANGS", {"delay": 60}),
        ):
            record = pathlib.Path(directory.name, name)
            process = consumer.ConsumerProcess(record, **options)
            cls.addClassCleanup(process.stop)
            setattr(cls, name, process.url)

    def make_sink(self) -> base.Sink:
        return webhook.Webhook(KEY, QUICK, LOOPBACK)


class DeliveryTest(Bed):
    def test_signature_verifies_at_the_consumer(self) -> None:
        secret = rules.secret_for(KEY, "subscription")
        taking = self.consumer(secret=secret)
        sending = self.sending()
        sent = sending.submit(taking.url + "hook?x=1")
        sending.next()
        (heard,) = taking.heard()
        self.assertIs(True, heard["is_signed"])
        self.assertEqual(sent.body, heard["body"])
        self.assertEqual(sent.id, heard["headers"][rules.NOTICE_ID_HEADER])
        self.assertEqual("application/json", heard["headers"]["Content-Type"])
        self.assertEqual(post.USER_AGENT, heard["headers"]["User-Agent"])

    def test_checkpoints_enclose_the_handler(self) -> None:
        """DR-9: T8 <= the consumer's own stamp <= T9."""
        taking = self.consumer()
        sending = self.sending()
        sending.submit(taking.url)
        times = sending.next().times
        (heard,) = taking.heard()
        self.assertLessEqual(times["T8"], heard["at"])
        self.assertLessEqual(heard["at"], times["T9"])

    def test_recovers_after_failures(self) -> None:
        failing = self.consumer(fail=2)
        sending = self.sending()
        sending.submit(failing.url)
        settled = sending.next()
        self.assertEqual(("delivered", 3), (settled.state, settled.attempts))
        self.assertEqual([503, 503, 204], [h["status"] for h in failing.heard()])

    def test_dead_letter_after_the_last_attempt(self) -> None:
        failing = self.consumer(fail=99)
        sending = self.sending()
        sending.submit(failing.url)
        settled = sending.next()
        self.assertEqual(("dead", 3), (settled.state, settled.attempts))
        self.assertEqual("answered 503", settled.error)
        self.assertEqual(3, len(failing.heard()))

    def test_nobody_there(self) -> None:
        sending = self.sending()
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            sending.submit(f"http://127.0.0.1:{closed.getsockname()[1]}/")
            settled = sending.next()
        self.assertEqual(("dead", 3), (settled.state, settled.attempts))

    def test_redirect_is_refused(self) -> None:
        moved = self.consumer(status=302)
        sending = self.sending()
        sending.submit(moved.url)
        settled = sending.next()
        self.assertEqual(("dead", 1), (settled.state, settled.attempts))
        self.assertIn("redirects", settled.error)
        self.assertEqual(1, len(moved.heard()))

    def test_too_many_requests_is_tried_again(self) -> None:
        busy = self.consumer(fail=1, fail_status=429)
        sending = self.sending()
        sending.submit(busy.url)
        self.assertEqual("delivered", sending.next().state)


class AddressTest(Bed):
    def test_loopback_is_never_reached_unless_allowed(self) -> None:
        private = self.consumer()
        names = functools.partial(post.Poster, resolver=Names("127.0.0.1"))
        for url in (
            private.url,
            f"http://consumer.example:{private.port}/",
            f"http://[::ffff:127.0.0.1]:{private.port}/",
        ):
            with self.subTest(url):
                sending = self.sending(allowed=(), poster=names)
                sending.submit(url)
                settled = sending.next()
                self.assertEqual(("dead", 1), (settled.state, settled.attempts))
                self.assertIn("loopback", settled.error)
        self.assertEqual([], private.heard())

    def test_a_name_that_changes_its_meaning_is_refused(self) -> None:
        """Judged when connecting: a look-up before would have passed."""
        private = self.consumer()
        only_one = rules.parse_networks(["127.0.0.1/32"])
        names = Names("127.0.0.1", "127.0.0.2")
        (found,) = asyncio.run(names.resolve("consumer.example"))
        rules.check_address(found["host"], only_one)
        poster = functools.partial(post.Poster, resolver=names)
        sending = self.sending(allowed=only_one, poster=poster)
        sending.submit(f"http://consumer.example:{private.port}/")
        settled = sending.next()
        self.assertEqual(("dead", 1), (settled.state, settled.attempts))
        self.assertIn("127.0.0.2", settled.error)
        self.assertEqual([], private.heard())


class CrowdTest(Bed):
    def test_a_thousand_notices_to_twenty_consumers_one_of_them_hung(self) -> None:
        """All others are served while one hangs; ``bench/webhooks`` times it."""
        hung = self.consumer(delay=60)
        healthy = [self.consumer() for _ in range(19)]
        sending = self.sending(lane.Patience(60.0, 1, 0.0, 0.0, connections=4))
        for _ in range(50):
            for target in (hung, *healthy):
                sending.submit(target.url)
        settled = sending.collect(19 * 50)
        self.assertEqual({"delivered"}, {item.state for item in settled})
        self.assertEqual([50] * 19, [len(target.heard()) for target in healthy])


class HostileTest(Bed):
    """Consumers that are not HTTP servers one would like to meet."""

    def serve(self, answer: bytes, pause_s: float = 0.0, rest: bytes = b"") -> str:
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(
                        target=_answer,
                        args=(connection, answer, pause_s, rest),
                        daemon=True,
                    ).start()

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/"

    def test_endless_answer_is_cut_off(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
        sending = self.sending()
        sending.submit(self.serve(head, rest=b"x" * 65536))
        self.assertEqual("delivered", sending.next().state)

    def test_answer_that_drips_counts_by_its_status(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
        sending = self.sending()
        sending.submit(self.serve(head, pause_s=0.05, rest=b"x"))
        started = time.monotonic()
        self.assertEqual("delivered", sending.next().state)
        self.assertLess(time.monotonic() - started, 2.0)

    def test_nonsense_becomes_a_dead_letter(self) -> None:
        sending = self.sending()
        sending.submit(self.serve(b"\x00\xff no HTTP at all\r\n\r\n"))
        self.assertEqual("dead", sending.next().state)


class TlsTest(Bed):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.cert = pathlib.Path(directory.name, "cert.pem")
        key = pathlib.Path(directory.name, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
            + ["-keyout", str(key), "-out", str(self.cert), "-days", "2"]
            + ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        self.url = f"https://127.0.0.1:{server.getsockname()[1]}/"
        threading.Thread(target=_serve_tls, args=(server, context), daemon=True).start()

    def test_known_authority(self) -> None:
        sending = self.sending(ca_file=str(self.cert))
        sending.submit(self.url)
        self.assertEqual("delivered", sending.next().state)

    def test_unknown_authority_hears_nothing(self) -> None:
        sending = self.sending()
        sending.submit(self.url)
        settled = sending.next()
        self.assertEqual("dead", settled.state)
        self.assertIn("Certificate", settled.error)


def _answer(
    connection: socket.socket, answer: bytes, pause_s: float, rest: bytes
) -> None:
    with contextlib.suppress(OSError), connection:
        connection.recv(65536)
        connection.sendall(answer)
        while rest:
            time.sleep(pause_s)
            connection.sendall(rest)


def _serve_tls(server: socket.socket, context: ssl.SSLContext) -> None:
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    while True:
        try:
            plain, _ = server.accept()
        except OSError:
            return
        with contextlib.suppress(OSError):
            _answer(context.wrap_socket(plain, server_side=True), answer, 0.0, b"")
