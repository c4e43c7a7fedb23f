"""The application behind its real HTTP server."""

import datetime
import http.client
import ipaddress
import json
import pathlib
import socket
import ssl
import tempfile
import threading
import time
import unittest
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import tests  # noqa: F401
from escalator import errors
from escalator.api import server
from escalator.objects import base
from tests.fixtures import api


def write_certificate(folder: pathlib.Path, name: str) -> None:
    """Write a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(cert.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


class ServerCase(unittest.TestCase):
    def serve(self, **options: Any) -> server.ApiService:
        self.house = api.House(**options)
        base.use_store(self.house.store)
        service = server.ApiService(self.house.conf, self.house.app)
        service.start()
        self.addCleanup(service.wait, 5.0)
        self.addCleanup(service.stop)
        return service

    def get(self, port: int, path: str = "/v1/hosts") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


class TestServer(ServerCase):
    def test_it_serves_and_its_links_lead_back(self) -> None:
        service = self.serve()
        status, body = self.get(service.port, "/")
        self.assertEqual(200, status)
        href = body["versions"][0]["links"][0]["href"]
        self.assertEqual(f"{service.url}/v1/", href)

    def test_a_stop_lets_the_running_request_end(self) -> None:
        """RU-8: nothing that was taken is lost by a stop."""
        service = self.serve()
        entered, answers = threading.Event(), []
        explain = self.house.conductor.campaign_explain

        def slow(ctxt: Any, campaign_id: str) -> Any:
            entered.set()
            time.sleep(0.5)
            return explain(ctxt, campaign_id)

        self.house.conductor.campaign_explain = slow
        path = "/v1/campaigns/5a6e46a0-6d3c-4c27-8f44-0d3a9cb7cbbb/explain"
        asker = threading.Thread(
            target=lambda: answers.append(self.get(service.port, path))
        )
        asker.start()
        self.assertTrue(entered.wait(5.0))
        port = service.port
        service.stop()
        service.wait(5.0)
        asker.join(5.0)
        self.assertEqual([200], [status for status, _ in answers])
        with self.assertRaises(ConnectionRefusedError):
            self.get(port)

    def test_as_many_at_once_as_threads(self) -> None:
        service = self.serve(threads=4)
        meeting = threading.Barrier(4, timeout=5.0)

        def meet(ctxt: Any, campaign_id: str) -> list[Any]:
            meeting.wait()
            return []

        self.house.conductor.campaign_explain = meet
        path = "/v1/campaigns/5a6e46a0-6d3c-4c27-8f44-0d3a9cb7cbbb/explain"
        answers: list[int] = []
        askers = [
            threading.Thread(
                target=lambda: answers.append(self.get(service.port, path)[0])
            )
            for _ in range(4)
        ]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(10.0)
        self.assertEqual([200] * 4, answers)

    def test_a_taken_port_stops_the_start_by_name(self) -> None:
        service = self.serve()
        conf = api.make_conf()
        conf.set_override("bind_port", service.port, group="api")
        with self.assertRaisesRegex(errors.ConfigError, "bind_port"):
            server.ApiService(conf, self.house.app).start()

    def test_two_workers_share_a_port(self) -> None:
        kept = socket.socket()
        self.addCleanup(kept.close)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        first = self.serve(workers=2, bind_port=port)
        conf = api.make_conf(workers=2, bind_port=port)
        second = server.ApiService(conf, self.house.app)
        second.start()
        self.addCleanup(second.stop)
        first.stop()
        self.assertEqual(200, self.get(second.port)[0])

    def test_garbage_on_the_wire_hurts_nobody(self) -> None:
        service = self.serve()
        head = b"POST /v1/campaigns HTTP/1.1\r\nHost: x\r\n"
        kind = b"Content-Type: application/json\r\n"
        for wire in (
            b"\x00\xff\xfe\r\n\r\n",
            b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
            head + kind + b"Content-Length: -5\r\n\r\n",
            head + kind + b"Content-Length: 99999999999\r\n\r\n{}",
            head + kind + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            head + kind + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'30d40\r\n{"' + b"a" * 199_998 + b"\r\n0\r\n\r\n",
            head + kind + b"Transfer-Encoding: chunked\r\n\r\n30d40\r\n"
            b'{"' + b"a" * 199_998 + b"\r\n0\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", service.port), 5) as wires:
                wires.sendall(wire)
                wires.shutdown(socket.SHUT_WR)
                answer = wires.recv(200)
            self.assertRegex(answer, rb"^HTTP/1.1 4\d\d |^$", wire[:80])
            self.assertEqual(200, self.get(service.port)[0])
        self.assertEqual([], self.house.conductor.calls)


class TestTls(ServerCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        write_certificate(self.folder, "first")
        self.files = {
            "tls_cert_file": str(self.folder / "cert.pem"),
            "tls_key_file": str(self.folder / "key.pem"),
        }

    def fetch(self, port: int) -> int:
        trusted = ssl.create_default_context(cafile=self.files["tls_cert_file"])
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, context=trusted, timeout=10
        )
        try:
            connection.request("GET", "/v1/hosts")
            return connection.getresponse().status
        finally:
            connection.close()

    def test_https_and_a_renewed_certificate(self) -> None:
        service = self.serve(**self.files)
        self.assertTrue(service.url.startswith("https://"))
        self.assertEqual(200, self.fetch(service.port))
        write_certificate(self.folder, "second")
        with self.assertRaises(ssl.SSLError):
            self.fetch(service.port)
        service.reload()
        self.assertEqual(200, self.fetch(service.port))

    def test_a_broken_renewal_keeps_the_old_one(self) -> None:
        service = self.serve(**self.files)
        kept = (self.folder / "cert.pem").read_bytes()
        (self.folder / "cert.pem").write_text("no certificate")
        with self.assertLogs("escalator.api", "ERROR"):
            service.reload()
        (self.folder / "cert.pem").write_bytes(kept)
        self.assertEqual(200, self.fetch(service.port))

    def test_half_a_pair_stops_the_start_by_name(self) -> None:
        for given, absent in (
            ("tls_cert_file", "tls_key_file"),
            ("tls_key_file", "tls_cert_file"),
        ):
            conf = api.make_conf(**{given: self.files[given]})
            with self.assertRaisesRegex(errors.ConfigError, absent):
                server.ApiService(conf, None)
        conf = api.make_conf(tls_cert_file="/nowhere", tls_key_file="/nowhere")
        with self.assertRaisesRegex(errors.ConfigError, "tls_cert_file"):
            server.ApiService(conf, None)
