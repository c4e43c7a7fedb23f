"""The probes tcp and http against real listeners on loopback."""

import socket
import threading
import time
import unittest

from escalator.drivers.probe import connect
from tests.fixtures import ports
from tests.unit.drivers import contract_probe


class Listener:
    """A service on one address; answers a GET if it has a ``status``."""

    def __init__(self, address: str, port: int, status: bytes = b"") -> None:
        self.status = status
        self._sock = socket.create_server((address, port), backlog=64)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                made, _ = self._sock.accept()
            except OSError:
                return
            with made:
                if self.status:
                    made.recv(4096)
                    # In two pieces: a status line may arrive so.
                    made.sendall(b"HTTP/1.1")
                    made.sendall(b" " + self.status + b"\r\n\r\n")


class TcpTest(contract_probe.ProbeContract, unittest.TestCase):
    status = b""

    def setUp(self) -> None:
        self.port = ports.free_port("127.1.0.1")
        self.listeners: dict[str, Listener] = {}
        for host in self.targets:
            self.revive(host)
        self.addCleanup(lambda: [each.close() for each in self.listeners.values()])
        self.probe = self.make()
        self.addCleanup(self.probe.close)

    def make(self) -> connect.Tcp:
        return connect.Tcp(self.port)

    def revive(self, host: str) -> None:
        address = self.targets[host]
        self.listeners[host] = Listener(address, self.port, self.status)

    def kill(self, host: str) -> None:
        self.listeners.pop(host).close()

    def test_a_host_that_drops_everything_delays_nobody(self) -> None:
        """A full backlog: the connection stays under way for ever."""
        deaf = socket.socket()
        self.addCleanup(deaf.close)
        deaf.bind(("127.1.0.9", self.port))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(("127.1.0.9", self.port))
        self.probe.set_targets({**self.targets, "deaf": "127.1.0.9"})
        for _ in range(3):
            began = time.monotonic()
            self.assertEqual(["a", "b", "c"], self.heard())
            self.assertLess(time.monotonic() - began, 0.5)


class HttpTest(TcpTest):
    status = b"404 Not Found"

    def make(self) -> connect.Http:
        return connect.Http(self.port, "/health")

    def test_a_server_that_says_it_is_broken_is_no_answer(self) -> None:
        self.probe.set_targets(self.targets)
        self.listeners["b"].status = b"503 Service Unavailable"
        self.assertEqual(["a", "c"], self.heard())
        self.listeners["b"].status = b"200 OK"
        self.assertEqual(["a", "b", "c"], self.heard())
