"""Ping many hosts from one socket (DR-3).

Unprivileged ICMP datagram sockets are used where the kernel allows them, raw
ones otherwise.  A reply counts only for the host whose address it came from
and only if it carries our identifier, a sequence number of a recent round and
this process's token; a live host can therefore never answer for a dead one.
"""

import contextlib
import ipaddress
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from escalator import errors
from escalator.drivers import base

RECENT_ROUNDS: Final = 16
"""An echo older than this many rounds proves nothing any more."""

SENDS_PER_READ: Final = 128
"""The socket is read between sends, so that its buffer cannot overflow."""

BREATH_S: Final = 0.0001
"""A realtime loop leaves its core this long after so many sends: whoever was
put there by the scheduler would otherwise wait for the whole round."""

MAX_READS: Final = 65536
"""Bounds one read even if packets come in faster than they are read."""

BUFFER_BYTES: Final = 8 << 20

_HEADER: Final = struct.Struct("!BBHHH")
_TOKEN_BYTES: Final = 8
_PACKET_BYTES: Final = _HEADER.size + _TOKEN_BYTES
_SO_RCVBUFFORCE: Final = 33
_SOL_RAW: Final = 255
_ICMP_FILTER: Final = 1

Opener = Callable[[socket.AddressFamily], tuple[Any, bool]]
"""Returns a non-blocking ICMP socket, and whether it is a raw one."""


def open_socket(
    family: socket.AddressFamily, make: Callable[..., Any] = socket.socket
) -> tuple[Any, bool]:
    """Open a datagram ICMP socket, or a raw one if only that is allowed.

    :raises ConfigError: both are refused; the message names the remedies.
    """
    is_v4 = family == socket.AF_INET
    protocol = socket.IPPROTO_ICMP if is_v4 else socket.IPPROTO_ICMPV6
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        with contextlib.suppress(PermissionError):
            made = make(family, kind | socket.SOCK_NONBLOCK, protocol)
            return made, kind == socket.SOCK_RAW
    gid = os.getegid()
    raise errors.ConfigError(
        group="monitor",
        option="probes",
        reason="the kernel refuses ICMP sockets to this user. Allow its group: "
        f'sysctl -w net.ipv4.ping_group_range="{gid} {gid}" (it counts for IPv6 '
        "too), or give the service the capability CAP_NET_RAW",
    )


def enlarge(sock: Any) -> None:
    """Ask for large buffers; beyond the limit only where privileged."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)


def is_realtime() -> bool:
    """Return True if no normal thread can interrupt the calling one."""
    policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
    return policy in (os.SCHED_FIFO, os.SCHED_RR)


class _Channel:
    """One address family: its socket, its targets and the replies read."""

    def __init__(self, family: socket.AddressFamily, opener: Opener) -> None:
        is_v4 = family == socket.AF_INET
        self.request, self.reply = (8, 0) if is_v4 else (128, 129)
        self.sock, self.is_raw = opener(family)
        enlarge(self.sock)
        # Only raw IPv4 sockets hand over the IP header.
        self.has_header = self.is_raw and is_v4
        if self.has_header:
            keep = struct.pack("I", ~(1 << self.reply) & 0xFFFFFFFF)
            with contextlib.suppress(OSError):
                self.sock.setsockopt(_SOL_RAW, _ICMP_FILTER, keep)
        self.id = os.getpid() & 0xFFFF
        self.token = os.urandom(_TOKEN_BYTES)
        self.round = 0
        self.read_at = 0.0
        self.hosts: dict[str, str] = {}
        self.shared: dict[str, list[str]] = {}
        self.addresses: list[tuple[str, int]] = []
        self.replies: list[base.Reply] = []
        self.unsent = 0
        self.breath_s = 0.0

    def aim(self, targets: list[tuple[str, str]]) -> None:
        """Probe these hosts from now on: (name, address)."""
        self.hosts, self.shared = {}, {}
        for host, address in targets:
            if self.hosts.setdefault(address, host) != host:
                self.shared.setdefault(address, []).append(host)
        self.addresses = [(address, 0) for address in self.hosts]
        self.breath_s = BREATH_S if is_realtime() else 0.0

    def send(self, clock: Callable[[], float]) -> None:
        """Send this round's echo request to every address."""
        self.round = (self.round + 1) & 0xFFFF
        packet = self._pack()
        self.read(clock())
        self.read_at = clock()
        sendto, addresses = self.sock.sendto, self.addresses
        for first in range(0, len(addresses), SENDS_PER_READ):
            for address in addresses[first : first + SENDS_PER_READ]:
                try:
                    sendto(packet, address)
                except OSError as error:
                    self._resend(packet, address, error)
            self.read(clock())
            if self.breath_s:
                time.sleep(self.breath_s)

    def read(self, now: float) -> None:
        """Read all that has arrived.

        ``at`` of a reply is the moment of the read before, or of the send:
        never later than its arrival, as T0 asks for.
        """
        at, current, skip = self.read_at, self.round, 0
        recvfrom, find, token = self.sock.recvfrom, self.hosts.get, self.token
        add, make = self.replies.append, base.Reply
        size = _PACKET_BYTES + (60 if self.has_header else 0)
        for _ in range(MAX_READS):
            try:
                data, source = recvfrom(size)
            except BlockingIOError:
                break
            except OSError:
                # An ICMP error queued for one target says nothing of the next.
                continue
            host = find(source[0])
            if host is None:
                continue
            if self.has_header:
                skip = (data[0] & 15) * 4 if data else 0
            # The token comes first: what carries it is long enough for the rest.
            if (
                data[skip + 8 :] == token
                and data[skip] == self.reply
                and (current - (data[skip + 6] << 8 | data[skip + 7])) & 0xFFFF
                < RECENT_ROUNDS
            ):
                add(make(host, at))
                if source[0] in self.shared:
                    for other in self.shared[source[0]]:
                        add(make(other, at))
        self.read_at = now

    def _pack(self) -> bytes:
        # The kernel sets id and checksum on datagram sockets, and the
        # checksum of ICMPv6 on raw ones: it covers the IP addresses.
        bare = _HEADER.pack(self.request, 0, 0, self.id, self.round) + self.token
        if not self.has_header:
            return bare
        total = sum(struct.unpack(f"!{len(bare) // 2}H", bare))
        total = (total & 0xFFFF) + (total >> 16)
        checksum = ~(total + (total >> 16)) & 0xFFFF
        header = _HEADER.pack(self.request, 0, checksum, self.id, self.round)
        return header + self.token

    def _resend(self, packet: bytes, address: Any, error: OSError) -> None:
        """Try once more if only our own buffer was full.

        Anything else (no route, refused by the local filter) is a probe that
        cannot reach its host: it stays unanswered, as it should.
        """
        if isinstance(error, BlockingIOError):
            select.select([], [self.sock], [], 0.005)
            with contextlib.suppress(OSError):
                self.sock.sendto(packet, address)
                return
        self.unsent += 1


class Icmp(base.Probe):
    """Echo requests to all targets; IPv6 costs a second socket if used."""

    def __init__(
        self,
        opener: Opener = open_socket,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._opener = opener
        self._clock = clock
        self._channels = {socket.AF_INET: _Channel(socket.AF_INET, opener)}
        self._poll = select.poll()
        self._poll.register(self._channels[socket.AF_INET].sock, select.POLLIN)

    def set_targets(self, targets: Mapping[str, str]) -> None:
        """Probe these from now on: host name -> IPv4 or IPv6 address.

        :raises ValueError: an address is none; nothing is changed then.
        """
        sorted_out: dict[int, list[tuple[str, str]]] = {4: [], 6: []}
        for host, text in targets.items():
            address = ipaddress.ip_address(text)
            sorted_out[address.version].append((host, str(address)))
        if sorted_out[6] and socket.AF_INET6 not in self._channels:
            channel = _Channel(socket.AF_INET6, self._opener)
            self._channels[socket.AF_INET6] = channel
            self._poll.register(channel.sock, select.POLLIN)
        self._channels[socket.AF_INET].aim(sorted_out[4])
        if socket.AF_INET6 in self._channels:
            self._channels[socket.AF_INET6].aim(sorted_out[6])

    def send(self) -> None:
        """Send one echo request to every target, reading in between."""
        for channel in self._channels.values():
            channel.send(self._clock)

    def receive(self, timeout_s: float) -> list[base.Reply]:
        """Return all replies at hand; wait for the first up to ``timeout_s``."""
        replies = self._take()
        if replies or timeout_s <= 0:
            return replies
        # poll() rounds up to whole milliseconds: sleep the rest instead.
        whole_ms = int(timeout_s * 1000)
        if not whole_ms:
            time.sleep(timeout_s)
        elif not self._poll.poll(whole_ms):
            return []
        return self._take()

    def close(self) -> None:
        """Close the sockets."""
        for channel in self._channels.values():
            channel.sock.close()

    def _take(self) -> list[base.Reply]:
        replies: list[base.Reply] = []
        for channel in self._channels.values():
            channel.read(self._clock())
            replies += channel.replies
            channel.replies.clear()
        return replies
