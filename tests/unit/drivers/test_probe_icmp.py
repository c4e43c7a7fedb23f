"""ICMP on a wire of our own: whose reply counts, and for whom."""

import collections
import os
import socket
import struct
import unittest
from typing import Any

from escalator import errors
from escalator.drivers.probe import icmp
from tests.unit.drivers import contract_probe

V4, V6 = socket.AF_INET, socket.AF_INET6


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """A socket on which all but the dead answer at once."""

    def __init__(self, family: int = V4, is_raw: bool = False) -> None:
        self.family = family
        self.is_raw = is_raw
        self.dead: set[str] = set()
        self.sent: list[tuple[bytes, str]] = []
        self.queue: collections.deque[tuple[bytes, tuple[str, int]]] = (
            collections.deque()
        )
        self.full = 0
        self.options: list[Any] = []
        self.closed = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)

    def fileno(self) -> int:
        return self._reader

    def setsockopt(self, *option: Any) -> None:
        self.options.append(option)

    def sendto(self, packet: bytes, address: tuple[str, int]) -> None:
        if self.full:
            self.full -= 1
            raise OSError(105, "no buffer space")
        self.sent.append((packet, address[0]))
        if address[0] not in self.dead:
            self.answer(packet, address[0])

    def answer(self, request: bytes, source: str, **changes: Any) -> None:
        fields = dict(zip("tcsiq", struct.unpack("!BBHHH", request[:8]), strict=True))
        fields["t"] = 0 if self.family == V4 else 129
        fields |= changes
        packet = struct.pack("!BBHHH", *(fields[key] for key in "tcsiq"))
        self.put(packet + changes.get("payload", request[8:]), source)

    def put(self, packet: bytes, source: str) -> None:
        if self.is_raw and self.family == V4:
            packet = b"\x45" + bytes(19) + packet
        self.queue.append((packet, (source, 0)))
        os.write(self._writer, b"x")

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        if not self.queue:
            raise BlockingIOError
        os.read(self._reader, 1)
        packet, source = self.queue.popleft()
        return packet[:size], source

    def close(self) -> None:
        if not self.closed:
            os.close(self._reader)
            os.close(self._writer)
        self.closed = True


class IcmpTest(contract_probe.ProbeContract, unittest.TestCase):
    is_raw = False

    def setUp(self) -> None:
        self.now = 0.0
        self.wires: dict[int, Wire] = {}
        self.probe: icmp.Icmp = icmp.Icmp(self.open, lambda: self.now)
        self.addCleanup(self.probe.close)

    def open(self, family: socket.AddressFamily) -> tuple[Wire, bool]:
        self.wires[family] = Wire(family, self.is_raw)
        return self.wires[family], self.is_raw

    def kill(self, host: str) -> None:
        self.wires[V4].dead.add(self.targets[host])

    def revive(self, host: str) -> None:
        self.wires[V4].dead.remove(self.targets[host])

    def only_a(self) -> tuple[Wire, bytes]:
        """Send one round to ``a``, which is dead, and return the request."""
        self.probe.set_targets({"a": self.targets["a"]})
        self.kill("a")
        self.probe.send()
        return self.wires[V4], self.wires[V4].sent[-1][0]

    def test_requests_are_echo_requests_with_a_sequence_of_their_own(self) -> None:
        self.probe.set_targets(self.targets)
        for _ in range(3):
            self.heard()
        headers = [struct.unpack("!BBHHH", p[:8]) for p, _ in self.wires[V4].sent]
        self.assertEqual({(8, 0)}, {header[:2] for header in headers})
        self.assertEqual(3, len({header[4] for header in headers}))

    def test_replies_that_are_not_ours_count_for_nobody(self) -> None:
        wire, request = self.only_a()
        source = self.targets["a"]
        wire.answer(request, "127.9.9.9")
        wire.answer(request, source, t=8)
        wire.answer(request, source, t=3)
        wire.answer(request, source, payload=bytes(8))
        wire.answer(request, source, q=4711)
        self.assertEqual([], self.probe.receive(0.0))
        wire.answer(request, source)
        self.assertEqual(["a"], [reply.host for reply in self.probe.receive(0.0)])

    def test_short_packets_do_no_harm(self) -> None:
        wire, _ = self.only_a()
        for length in range(9):
            wire.put(bytes(length), self.targets["a"])
        wire.queue.append((b"", (self.targets["a"], 0)))
        os.write(wire._writer, b"x")
        self.assertEqual([], self.probe.receive(0.0))

    def test_a_stale_echo_proves_nothing(self) -> None:
        wire, request = self.only_a()
        for _ in range(icmp.RECENT_ROUNDS):
            self.probe.send()
        wire.answer(request, self.targets["a"])
        self.assertEqual([], self.probe.receive(0.0))

    def test_sequence_numbers_wrap(self) -> None:
        self.probe.set_targets({"a": self.targets["a"]})
        self.probe._channels[V4].round = 0xFFFE
        for _ in range(4):
            self.assertEqual(["a"], self.heard())

    def test_a_reply_is_never_dated_after_its_arrival(self) -> None:
        """T0 is the earliest moment at which the host can have failed."""
        wire, request = self.only_a()
        self.now = 1.0
        self.probe.receive(0.0)
        self.now = 2.0
        wire.answer(request, self.targets["a"])
        self.assertEqual([1.0], [reply.at for reply in self.probe.receive(0.0)])

    def test_hosts_that_share_an_address_share_their_fate(self) -> None:
        self.probe.set_targets({"a": "127.1.0.1", "twin": "127.1.0.1"})
        self.assertEqual(["a", "twin"], self.heard())
        self.assertEqual(1, len(self.wires[V4].sent))

    def test_a_probe_that_cannot_leave_stops_no_other(self) -> None:
        self.probe.set_targets(self.targets)
        self.wires[V4].full = 1
        self.assertEqual(["b", "c"], self.heard())

    def test_ipv6_targets_are_probed_too(self) -> None:
        self.probe.set_targets({"six": "FD00:0::1", "four": "127.1.0.1"})
        self.assertEqual(["four", "six"], self.heard())
        packet, address = self.wires[V6].sent[0]
        self.assertEqual((128, "fd00::1"), (packet[0], address))

    def test_a_name_is_no_address(self) -> None:
        with self.assertRaises(ValueError):
            self.probe.set_targets({"a": "compute-1.example.org"})


class RawIcmpTest(IcmpTest):
    """The same behind an IP header, with everybody's packets."""

    is_raw = True

    def test_the_checksum_is_ours(self) -> None:
        for _ in range(300):
            _, request = self.only_a()
            self.assertEqual(0, checksum(request))


class RefusalTest(unittest.TestCase):
    def test_a_refusal_names_the_remedies(self) -> None:
        def refuse(family: socket.AddressFamily) -> tuple[Any, bool]:
            return icmp.open_socket(family, self.refuse_all)

        with self.assertRaises(errors.ConfigError) as caught:
            icmp.Icmp(refuse)
        self.assertIn("[monitor]/probe", str(caught.exception))
        self.assertIn("net.ipv4.ping_group_range", str(caught.exception))
        self.assertIn("CAP_NET_RAW", str(caught.exception))

    def test_a_raw_socket_is_the_second_choice(self) -> None:
        made = object()

        def only_raw(family: int, kind: int, protocol: int) -> Any:
            return made if kind & 0xF == socket.SOCK_RAW else self.refuse_all()

        self.assertEqual((made, True), icmp.open_socket(V4, only_raw))

    @staticmethod
    def refuse_all(*_: Any) -> Any:
        raise PermissionError
